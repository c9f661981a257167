#include "pipeline/alert/sink/elastic_receiver.h"

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>

#include "pipeline/alert/sink/http_batch.h"
#include "pipeline/base/printable.h"

namespace doorslam::sink {

namespace {

using nlohmann::json;

constexpr long kConflict = 409;
constexpr long kTooMany = 429;
constexpr long kServerError = 500;

bool is_temporary(long status) { return status == kTooMany || status >= kServerError; }

/// Elasticsearch's own errors are JSON. Something else that answers 400, as a proxy that expects TLS, says nothing of a
/// record.
bool is_error_object(const std::string& body) {
  const json answer = json::parse(body, nullptr, false);
  return answer.is_object() && answer.contains("error");
}

std::string index_name(std::string pattern, store::RecordKind kind) {
  constexpr std::string_view kPlace = "{kind}";
  if (const std::size_t at = pattern.find(kPlace); at != std::string::npos) {
    pattern.replace(at, kPlace.size(), name_of(kind));
  }
  return pattern;
}

class ElasticReceiver final : public Receiver {
 public:
  ElasticReceiver(const ElasticOptions& options, std::unique_ptr<HttpClient> client)
      : client_(std::move(client)),
        alerts_(index_name(options.index, store::RecordKind::alert)),
        flows_(index_name(options.index, store::RecordKind::flow)) {
    headers_.emplace_back("Content-Type: application/x-ndjson");
    if (!client_->token().empty()) headers_.push_back("Authorization: ApiKey " + client_->token());
  }

  Delivery deliver(std::span<const Message> messages, const std::stop_token& stop) override {
    return send_by_halves(messages,
                          [&](auto part, auto fates, Delivery& delivery) { return send(part, fates, delivery, stop); });
  }

 private:
  bool send(std::span<const Message> part, std::span<Fate> fates, Delivery& delivery, const std::stop_token& stop) {
    body_.clear();
    for (const Message& message : part) {
      const std::string& index = message.record->kind == store::RecordKind::alert ? alerts_ : flows_;
      fmt::format_to(std::back_inserter(body_), "{{\"create\":{{\"_index\":\"{}\",\"_id\":\"{}\"}}}}\n", index,
                     message.record->id);
      body_.append(message.body).push_back('\n');
    }
    const auto answer = client_->post(
        "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason", headers_, body_, stop);
    if (!answer) {
      note_failure(delivery, answer.error().message);
      return true;
    }
    constexpr long kBadRequest = 400;
    constexpr long kTooLarge = 413;
    if ((answer->status == kBadRequest && is_error_object(answer->body)) || answer->status == kTooLarge) {
      delivery.refusal = describe(*client_, *answer);
      return false;
    }
    if (answer->status / 100 != 2) {
      note_failure(delivery, describe(*client_, *answer), answer->retry_after);
      return true;
    }
    read_results(*answer, fates, delivery);
    return true;
  }

  void read_results(const HttpAnswer& answer, std::span<Fate> fates, Delivery& delivery) {
    const json results = json::parse(answer.body, nullptr, false);
    const json items = results.is_object() ? results.value("items", json::array()) : json();
    if (!items.is_array() || items.size() != fates.size()) {
      return note_failure(delivery, fmt::format("{}: an answer that is none of _bulk: {}", client_->options().url,
                                                printable(answer.body, 200)));
    }
    for (std::size_t i = 0; i < fates.size(); ++i) {
      const json& item = items[i].is_object() && !items[i].empty() ? items[i].front() : items[i];
      const long status = item.is_object() && item.contains("status") && item["status"].is_number_integer()
                              ? item["status"].get<long>()
                              : kServerError;
      if (status / 100 == 2 || status == kConflict) {
        fates[i] = Fate::delivered;
        continue;
      }
      const std::string reason = printable(item.is_object() && item.contains("error") ? item["error"].dump() : "", 200);
      const std::string words = fmt::format("{}: item refused with {}: {}", client_->options().url, status, reason);
      fates[i] = is_temporary(status) ? Fate::again : Fate::refused;
      std::string& told = is_temporary(status) ? delivery.trouble : delivery.refusal;
      if (told.empty()) told = words;
    }
  }

  std::unique_ptr<HttpClient> client_;
  std::string alerts_;  ///< index of alerts
  std::string flows_;   ///< index of flow records
  std::vector<std::string> headers_;
  std::string body_;
};

}  // namespace

Result<std::unique_ptr<Receiver>> make_elastic_receiver(const ElasticOptions& options) {
  auto client = HttpClient::make(options.http);
  if (!client) return tl::unexpected(client.error());
  return std::make_unique<ElasticReceiver>(options, std::move(*client));
}

}  // namespace doorslam::sink
