#include "pipeline/alert/sink/clickhouse_receiver.h"

#include <fmt/format.h>

#include <algorithm>

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
      Delivery part = send_by_halves(some, [&](auto messages_of_part, auto fates, Delivery& out) {
        return send(kind, messages_of_part, fates, out, stop);
      });
      for (std::size_t i = 0; i < places.size(); ++i) delivery.fates[places[i]] = part.fates[i];
      if (!part.trouble.empty()) delivery.trouble = std::move(part.trouble);
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

  bool send(store::RecordKind kind, std::span<const Message> part, std::span<Fate> fates, Delivery& delivery,
            const std::stop_token& stop) {
    body_.clear();
    for (const Message& message : part) body_.append(message.body).push_back('\n');
    const auto answer = client_->post(kind == store::RecordKind::alert ? alerts_ : flows_, headers_, body_, stop);
    if (!answer) {
      note_failure(delivery, answer.error().message);
    } else if (answer->status / 100 == 2) {
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
  std::string alerts_;  ///< path that inserts alerts
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
