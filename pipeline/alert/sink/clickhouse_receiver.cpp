#include "pipeline/alert/sink/clickhouse_receiver.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "pipeline/alert/sink/http_batch.h"

namespace doorslam::sink {

namespace {

class ClickHouseReceiver final : public Receiver {
 public:
  ClickHouseReceiver(const ClickHouseOptions& options, std::unique_ptr<HttpClient> client)
      : client_(std::move(client)),
        alerts_(insert_into(options.database, options.alert_table)),
        flows_(insert_into(options.database, options.flow_table)) {
    headers_.emplace_back("Content-Type: application/x-ndjson");
  }

  Delivery deliver(std::span<const Message> messages, const std::stop_token& stop) override {
    // Alerts and flow records go to tables of their own; the order within each stays.
    Delivery delivery = Delivery::all(messages.size(), Fate::again);
    for (const store::RecordKind kind : {store::RecordKind::alert, store::RecordKind::flow}) {
      std::vector<Message> some;
      std::vector<std::size_t> places;
      for (std::size_t i = 0; i < messages.size(); ++i) {
        if (messages[i].record->kind != kind) continue;
        some.push_back(messages[i]);
        places.push_back(i);
      }
      if (some.empty()) continue;
      Delivery part = size_.send(some, [&](auto messages_of_part, auto fates, Delivery& out) {
        return send(kind, messages_of_part, fates, out, stop);
      });
      for (std::size_t i = 0; i < places.size(); ++i) delivery.fates[places[i]] = part.fates[i];
      if (!part.trouble.empty()) {
        delivery.trouble = std::move(part.trouble);
        delivery.wait = part.wait;
      }
      if (!part.refusal.empty()) delivery.refusal = std::move(part.refusal);
    }
    return delivery;
  }

 private:
  static std::string insert_into(const std::string& database, const std::string& table) {
    // A Distributed table answers when the shards have the rows, and an older table lacks what a later doorslam sends.
    return fmt::format(
        "/?insert_distributed_sync=1&input_format_skip_unknown_fields=1&query=INSERT%20INTO%20{}.{}%20FORMAT%20"
        "JSONEachRow",
        database, table);
  }

  /// Where the site's profile has inserts collected in memory, the answer comes when they are written. Servers before
  /// version 21.11 do not collect, nor know the setting, and refuse what they do not know.
  Result<HttpAnswer> post(const std::string& insert, const std::stop_token& stop) {
    if (collects_) {
      auto answer = client_->post(insert + "&wait_for_async_insert=1", headers_, body_, stop);
      if (!answer || !knows_not_to_wait(*answer)) return answer;
      collects_ = false;
    }
    auto answer = client_->post(insert, headers_, body_, stop);
    if (!answer) collects_ = true;  // who comes back may be of a later version
    return answer;
  }

  static bool knows_not_to_wait(const HttpAnswer& answer) {
    const auto says = [&](std::string_view words) { return answer.body.find(words) != std::string::npos; };
    return answer.status / 100 != 2 && says("wait_for_async_insert") &&
           (says("Unknown setting") || says("neither a builtin setting"));
  }

  /// An insert is answered with nothing. Whatever has words (a log-in page; an exception after the status was sent) is
  /// no receipt.
  static bool is_receipt(const HttpAnswer& answer) {
    return answer.status / 100 == 2 && answer.body.find_first_not_of(" \t\r\n") == std::string::npos;
  }

  bool send(store::RecordKind kind, std::span<const Message> part, std::span<Fate> fates, Delivery& delivery,
            const std::stop_token& stop) {
    body_.clear();
    for (const Message& message : part) body_.append(message.body).push_back('\n');
    const auto answer = post(kind == store::RecordKind::alert ? alerts_ : flows_, stop);
    if (!answer) {
      note_silence(delivery, *client_, answer.error());
    } else if (is_receipt(*answer)) {
      std::fill(fates.begin(), fates.end(), Fate::delivered);
    } else if (constexpr long kTooLarge = 413; answer->status == kTooLarge && part.size() > 1) {
      return false;  // a proxy's limit; a single record that it does not take waits until the site has mended that
    } else {
      // Also a table or column that is not there comes as 4xx or 500: then the site's schema is to be mended, and no
      // record is at fault.
      note_failure(delivery, describe(*client_, *answer), answer->retry_after);
    }
    return true;
  }

  std::unique_ptr<HttpClient> client_;
  RequestSize size_;
  bool collects_ = true;  ///< the server may collect inserts in memory
  std::string alerts_;    ///< path that inserts alerts
  std::string flows_;
  std::vector<std::string> headers_;
  std::string body_;
};

}  // namespace

Result<std::unique_ptr<Receiver>> make_clickhouse_receiver(const ClickHouseOptions& options) {
  auto client = HttpClient::make(options.http);
  if (!client) return tl::unexpected(client.error());
  return std::make_unique<ClickHouseReceiver>(options, std::move(*client));
}

}  // namespace doorslam::sink
