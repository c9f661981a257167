#include "pipeline/alert/sink/splunk_receiver.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <thread>

#include "pipeline/alert/sink/http_batch.h"
#include "pipeline/base/printable.h"

namespace doorslam::sink {

namespace {

using nlohmann::json;

/// Splunk's own codes: https://docs.splunk.com/Documentation/Splunk/latest/Data/TroubleshootHTTPEventCollector
constexpr std::int64_t kSuccess = 0;
constexpr std::int64_t kInvalidData = 6;
constexpr long kServerError = 500;

/// A random UUID (RFC 4122, version 4): the channel on which Splunk counts acknowledgements.
std::string channel_name() {
  std::random_device random;
  const auto word = [&] { return static_cast<std::uint64_t>(random()) << 32 | random(); };
  const std::uint64_t a = (word() & ~0xF000ULL) | 0x4000ULL;
  const std::uint64_t b = (word() & ~(3ULL << 62)) | (2ULL << 62);
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", a >> 32, a >> 16 & 0xFFFF, a & 0xFFFF, b >> 48,
                     b & 0xFFFFFFFFFFFF);
}

/// Nothing: `answer` is no object, or has no such number.
std::optional<std::int64_t> number_in(const json& answer, const char* name) {
  if (!answer.is_object() || !answer.contains(name) || !answer[name].is_number_integer()) return std::nullopt;
  return answer[name].get<std::int64_t>();
}

std::string this_host() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : std::string();
}

class SplunkReceiver final : public Receiver {
 public:
  SplunkReceiver(const SplunkOptions& options, std::unique_ptr<HttpClient> client)
      : client_(std::move(client)), ack_timeout_(options.ack_timeout), channel_(channel_name()) {
    headers_ = {"Content-Type: application/json", "Authorization: Splunk " + client_->token(),
                "X-Splunk-Request-Channel: " + channel_};
    const json host = options.host.empty() ? this_host() : options.host;
    about_ = fmt::format(R"("host":{},"source":"doorslam")", host.dump(-1, ' ', false, json::error_handler_t::replace));
    if (!options.index.empty()) about_ += ",\"index\":" + json(options.index).dump();
  }

  Delivery deliver(std::span<const Message> messages, const std::stop_token& stop) override {
    return size_.send(messages,
                      [&](auto part, auto fates, Delivery& delivery) { return send(part, fates, delivery, stop); });
  }

 private:
  /// What was posted and is not known to be indexed.
  struct Unconfirmed {
    Sequence first = 0;
    Sequence last = 0;
    std::size_t records = 0;
    std::int64_t number = 0;  ///< Splunk's, on the channel
    Clock::time_point give_up;
  };

  void append_event(const Message& message) {
    const store::Record& record = *message.record;
    fmt::format_to(std::back_inserter(body_), R"({{"time":{}.{:09},{},"sourcetype":"doorslam:{}","event":)",
                   record.time_ns / flowtable::kSecondNs, record.time_ns % flowtable::kSecondNs, about_,
                   name_of(record.kind));
    if (message.body.starts_with('{')) {
      body_.append(message.body);
    } else {
      body_.append(json(std::string(message.body)).dump(-1, ' ', false, json::error_handler_t::replace));
    }
    fmt::format_to(std::back_inserter(body_), R"(,"fields":{{"event_id":"{}"}}}})", record.id);
    body_.push_back('\n');
  }

  bool is_posted(std::span<const Message> part) const {
    return unconfirmed_ && unconfirmed_->records == part.size() &&
           unconfirmed_->first == part.front().record->sequence && unconfirmed_->last == part.back().record->sequence;
  }

  bool send(std::span<const Message> part, std::span<Fate> fates, Delivery& delivery, const std::stop_token& stop) {
    if (!is_posted(part)) {
      unconfirmed_.reset();
      if (!post(part, delivery, stop)) return false;
      if (!delivery.trouble.empty()) return true;
    }
    if (!unconfirmed_ || is_indexed(delivery, stop)) std::fill(fates.begin(), fates.end(), Fate::delivered);
    return true;
  }

  /// False: Splunk finds it too large or malformed.
  bool post(std::span<const Message> part, Delivery& delivery, const std::stop_token& stop) {
    body_.clear();
    for (const Message& message : part) append_event(message);
    const auto answer = client_->post("/services/collector/event", headers_, body_, stop);
    if (!answer) {
      note_silence(delivery, *client_, answer.error());
      return true;
    }
    const json words = json::parse(answer->body, nullptr, false);
    const std::optional<std::int64_t> code = number_in(words, "code");
    constexpr long kBadRequest = 400;
    constexpr long kTooLarge = 413;
    const bool invalid = answer->status == kBadRequest && code == kInvalidData;
    if (invalid || answer->status == kTooLarge) {
      delivery.refusal = describe(*client_, *answer);
      return false;
    }
    if (answer->status / 100 != 2) {
      note_failure(delivery, describe(*client_, *answer), answer->retry_after);
      return true;
    }
    if (code != kSuccess) {
      note_failure(delivery, fmt::format("{}: an answer that is none of the event collector: {}",
                                         client_->options().url, printable(answer->body, 200)));
      return true;
    }
    if (const auto number = number_in(words, "ackId")) {
      unconfirmed_ = {part.front().record->sequence, part.back().record->sequence, part.size(), *number,
                      Clock::now() + ack_timeout_};
    }
    return true;
  }

  /// An indexer may take longer than an exchange's time-out: asked again with the next attempt, and posted anew only
  /// when Splunk no longer knows of it, or not in time.
  bool is_indexed(Delivery& delivery, const std::stop_token& stop) {
    constexpr milliseconds kAskAgain{200};
    const Clock::time_point deadline = std::min(Clock::now() + client_->options().timeout, unconfirmed_->give_up);
    const std::string question = fmt::format(R"({{"acks":[{}]}})", unconfirmed_->number);
    while (!stop.stop_requested() && Clock::now() < deadline) {
      const auto answer = client_->post("/services/collector/ack?channel=" + channel_, headers_, question, stop);
      if (!answer) {
        note_failure(delivery, answer.error().message);
        return false;
      }
      const json words = json::parse(answer->body, nullptr, false);
      if (words.is_object() && words.contains("acks") && words["acks"].is_object()) {
        const json verdict = words["acks"].value(std::to_string(unconfirmed_->number), json());
        if (verdict.is_boolean() && verdict.get<bool>()) {
          unconfirmed_.reset();
          return true;
        }
      } else {
        // A server error passes; with any other answer the channel is gone, and with it the number.
        if (answer->status < kServerError) unconfirmed_.reset();
        note_failure(delivery, describe(*client_, *answer), answer->retry_after);
        return false;
      }
      std::this_thread::sleep_for(kAskAgain);
    }
    const bool in_vain = Clock::now() >= unconfirmed_->give_up;
    if (in_vain) unconfirmed_.reset();
    note_failure(delivery, client_->options().url + (in_vain ? " did not confirm in time that the records are indexed"
                                                             : " has not confirmed yet that the records are indexed"));
    return false;
  }

  std::unique_ptr<HttpClient> client_;
  RequestSize size_;
  milliseconds ack_timeout_;
  std::optional<Unconfirmed> unconfirmed_;
  std::string channel_;
  std::vector<std::string> headers_;
  std::string about_;
  std::string body_;
};

}  // namespace

Result<std::unique_ptr<Receiver>> make_splunk_receiver(const SplunkOptions& options) {
  auto client = HttpClient::make(options.http);
  if (!client) return tl::unexpected(client.error());
  if ((*client)->token().empty()) return usage_error("token is missing; name where HEC's token stands");
  return std::make_unique<SplunkReceiver>(options, std::move(*client));
}

}  // namespace doorslam::sink
