#include "pipeline/alert/sink/elastic_receiver.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>

#include "pipeline/alert/sink/http_batch.h"
#include "pipeline/base/printable.h"

namespace doorslam::sink {

namespace {

using nlohmann::json;

constexpr long kConflict = 409;
constexpr long kBadRequest = 400;
constexpr long kTooLarge = 413;
constexpr long kServerError = 500;

/// The record itself cannot be taken, as its mapping or its octets stand. Everything else (an index, an alias, a right,
/// a shard that is missing) is the site's to mend, and the record waits for it. Of a type of error that serves for
/// both, the words decide; types and words as in Elasticsearch 7 and 8 and in OpenSearch.
bool is_at_fault(const json& error) {
  if (!error.is_object()) return false;
  const auto text_of = [&](const char* name) {
    const auto found = error.find(name);
    return found != error.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  constexpr std::array<std::string_view, 7> kOfTheDocument = {
      "mapper_parsing_exception", "document_parsing_exception", "strict_dynamic_mapping_exception",
      "mapper_exception",         "parsing_exception",          "x_content_parse_exception",
      "json_parse_exception"};
  const std::string type = text_of("type");
  if (std::find(kOfTheDocument.begin(), kOfTheDocument.end(), type) != kOfTheDocument.end()) return true;
  if (type != "illegal_argument_exception") return false;
  constexpr std::array<std::string_view, 5> kOfAField = {"mapper [", "mapping [", "failed to parse", "immense term",
                                                         "Malformed "};
  const std::string reason = text_of("reason");
  return std::any_of(kOfAField.begin(), kOfAField.end(),
                     [&](std::string_view words) { return reason.find(words) != std::string::npos; });
}

/// `answer` is the whole answer or an item of it. Elasticsearch's own errors are JSON: something else that answers 400,
/// as a proxy that expects TLS, says nothing of a record.
bool is_final(long status, const json& answer) {
  if (status == kTooLarge) return true;
  return status == kBadRequest && answer.is_object() && is_at_fault(answer.value("error", json()));
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
    return size_.send(messages,
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
      note_silence(delivery, *client_, answer.error());
      return true;
    }
    const bool refused = answer->status / 100 == 4;
    if (refused && is_final(answer->status, json::parse(answer->body, nullptr, false))) {
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
      const std::string words = fmt::format("{}: item answered with {}: {}", client_->options().url, status, reason);
      const bool final = is_final(status, item);
      fates[i] = final ? Fate::refused : Fate::again;
      std::string& told = final ? delivery.refusal : delivery.trouble;
      if (told.empty()) told = words;
    }
  }

  std::unique_ptr<HttpClient> client_;
  std::string alerts_;  ///< index of alerts
  std::string flows_;   ///< index of flow records
  RequestSize size_;
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
