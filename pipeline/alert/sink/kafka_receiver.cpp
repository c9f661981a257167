#include "pipeline/alert/sink/kafka_receiver.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <mutex>

#include "pipeline/alert/sink/halves.h"
#include "pipeline/alert/sink/kafka_library.h"
#include "pipeline/alert/sink/secret.h"
#include "pipeline/base/printable.h"
#include "pipeline/base/text.h"

namespace doorslam::sink {

namespace {

/// make_kafka_receiver() has loaded it, without which there is no receiver.
const KafkaLibrary& kafka() { return **load_kafka(); }

struct ConfDeleter {
  void operator()(rd_kafka_conf_t* conf) const noexcept { kafka().conf_destroy(conf); }
};
using Conf = std::unique_ptr<rd_kafka_conf_t, ConfDeleter>;

/// What delivery reports write to: the batch in flight. A message's opaque pointer is that to its fate. A batch with
/// open messages ends with its producer, so that no report comes late.
struct Flight {
  std::vector<Fate> fates;
  std::size_t sent = 0;  ///< messages
  std::size_t open = 0;  ///< of these: without a report
  std::string trouble;
  std::string refusal;
  std::string doubt;      ///< a broker's reason to refuse a batch, which may be that of one message in it
  std::string aftermath;  ///< what became of those after a batch that failed (is_aftermath())
};

/// librdkafka's latest word on brokers; its threads write it.
struct BrokerWords {
  std::mutex mutex;
  std::string latest;
};

struct Shared {
  Flight flight;
  BrokerWords words;
};

/// Said of what came after a batch that failed: it was taken back, or nobody knows whether it arrived.
constexpr bool is_aftermath(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE || error == RD_KAFKA_RESP_ERR__FATAL ||
         error == RD_KAFKA_RESP_ERR__PURGE_QUEUE || error == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
}

void note_failure(Flight& flight, rd_kafka_resp_err_t error) {
  std::string& reason = is_aftermath(error) ? flight.aftermath : flight.trouble;
  if (reason.empty()) reason = kafka().err2str(error);
}

void on_report(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  Flight& flight = static_cast<Shared*>(opaque)->flight;
  Fate& fate = *static_cast<Fate*>(message->_private);
  --flight.open;
  switch (message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      fate = Fate::delivered;
      break;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
      // Said of a batch as a whole: all its messages have this report.
      if (flight.sent == 1) {
        fate = Fate::refused;
        flight.refusal = kafka().err2str(message->err);
      } else {
        flight.doubt = kafka().err2str(message->err);
      }
      break;
    default:
      note_failure(flight, message->err);
  }
}

void on_error(rd_kafka_t*, int, const char* reason, void* opaque) {
  BrokerWords& words = static_cast<Shared*>(opaque)->words;
  const std::lock_guard lock(words.mutex);
  words.latest = reason;
}

/// librdkafka's log repeats what the reports and on_error say.
void on_log(const rd_kafka_t*, int, const char*, const char*) {}

class Producer {
 public:
  explicit Producer(rd_kafka_t* handle) : handle_(handle) {}
  Producer(Producer&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Producer& operator=(Producer&&) = delete;
  ~Producer() {
    if (handle_ == nullptr) return;
    kafka().purge(handle_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    kafka().destroy(handle_);
  }
  rd_kafka_t* get() const noexcept { return handle_; }

 private:
  rd_kafka_t* handle_;
};

Result<void> set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  std::array<char, 512> words{};
  if (kafka().conf_set(conf, name.c_str(), value.c_str(), words.data(), words.size()) == RD_KAFKA_CONF_OK) return {};
  return usage_error(fmt::format("options: {}", words.data()));
}

/// Idempotence keeps the order, but for a batch that a broker refuses: what is on its way behind it, of the same
/// server, must not arrive before it is sent again in parts.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kKeepOrder = {
    {{"enable.idempotence", "true"},  // acks=all follows from it
     {"enable.gapless.guarantee", "true"},
     {"max.in.flight.requests.per.connection", "1"}}};

Result<Conf> make_conf(const KafkaOptions& options) {
  Conf conf(kafka().conf_new());
  std::string brokers;
  for (const std::string& broker : options.brokers) brokers.append(brokers.empty() ? "" : ",").append(broker);
  const std::vector<std::pair<std::string, std::string>> ours = {
      {"bootstrap.servers", brokers},
      {"client.id", "doorslam"},
      {"linger.ms", "5"},
      {"message.timeout.ms", std::to_string(options.timeout.count())},
      {"queue.buffering.max.messages", "200000"},
      {"queue.buffering.max.kbytes", "1048576"},
  };
  for (const auto& [name, value] : ours) {
    if (auto done = set(conf.get(), name, value); !done) return tl::unexpected(done.error());
  }
  for (const std::string& option : options.options) {
    const std::size_t equals = option.find('=');
    if (equals == std::string::npos || equals == 0) {
      return usage_error("options: write name=value, as in security.protocol=ssl");
    }
    const std::string name = option.substr(0, equals);
    std::string value = option.substr(equals + 1);
    if (value.starts_with("file:") || value.starts_with("env:")) {
      auto secret = read_secret(value);
      if (!secret) return usage_error(fmt::format("options: {}: {}", name, secret.error().message));
      value = std::move(*secret);
    } else if (name.find("password") != std::string::npos || name.find("secret") != std::string::npos ||
               name == "ssl.key.pem") {
      return usage_error(
          fmt::format("options: {}: secrets stand in files or in the environment; write {}=file:PATH or "
                      "{}=env:NAME",
                      name, name, name));
    }
    const auto kept = std::ranges::find(kKeepOrder, name, &std::pair<std::string_view, std::string_view>::first);
    if (kept != kKeepOrder.end() && value != kept->second) {
      return usage_error(
          fmt::format("options: {} must stay {}: otherwise records could be lost or reordered", name, kept->second));
    }
    if (auto done = set(conf.get(), name, value); !done) return tl::unexpected(done.error());
  }
  // After the others, which may call them by another name.
  for (const auto& [name, value] : kKeepOrder) {
    if (auto done = set(conf.get(), std::string(name), std::string(value)); !done) return tl::unexpected(done.error());
  }
  kafka().conf_set_dr_msg_cb(conf.get(), on_report);
  kafka().conf_set_error_cb(conf.get(), on_error);
  kafka().conf_set_log_cb(conf.get(), on_log);
  return conf;
}

std::string topic_name(std::string pattern, store::RecordKind kind) {
  constexpr std::string_view kPlace = "{kind}";
  if (const std::size_t at = pattern.find(kPlace); at != std::string::npos) {
    pattern.replace(at, kPlace.size(), name_of(kind));
  }
  return pattern;
}

class KafkaReceiver final : public Receiver {
 public:
  KafkaReceiver(const KafkaOptions& options, Conf conf)
      : options_(options),
        conf_(std::move(conf)),
        alerts_(topic_name(options.topic, store::RecordKind::alert)),
        flows_(topic_name(options.topic, store::RecordKind::flow)) {
    kafka().conf_set_opaque(conf_.get(), &shared_);
  }

  /// librdkafka checks some options only together: when a producer is made. It is not kept: its threads are to be born
  /// of the sink's.
  Result<void> try_out() {
    auto made = make_producer();
    producer_.reset();
    return made;
  }

  Delivery deliver(std::span<const Message> messages, const std::stop_token& stop) override {
    return send_by_halves(messages,
                          [&](auto part, auto fates, Delivery& delivery) { return send(part, fates, delivery, stop); });
  }

 private:
  /// Sends what of the part has not arrived yet. False: a broker refused a batch of several messages.
  bool send(std::span<const Message> part, std::span<Fate> fates, Delivery& delivery, const std::stop_token& stop) {
    if (!producer_) {
      if (auto made = make_producer(); !made) {
        delivery.trouble = made.error().message;
        return true;
      }
    }
    Flight& flight = shared_.flight;
    flight = Flight();
    flight.fates.assign(fates.begin(), fates.end());
    flight.sent = static_cast<std::size_t>(std::count(fates.begin(), fates.end(), Fate::again));
    for (std::size_t i = 0; i < part.size() && (fates[i] != Fate::again || produce(part[i], i)); ++i) {
    }
    await_reports(stop);
    std::copy(flight.fates.begin(), flight.fates.end(), fates.begin());
    if (delivery.refusal.empty()) delivery.refusal = flight.refusal;
    const bool all = std::find(fates.begin(), fates.end(), Fate::again) == fates.end();
    // The idempotent producer cannot go on after a gap in its sequence.
    if (!all || !flight.refusal.empty()) producer_.reset();
    if (all) return true;
    if (flight.trouble.empty() && flight.open == 0 && !flight.doubt.empty()) return false;
    delivery.trouble = trouble();
    return true;
  }

  Result<void> make_producer() {
    std::array<char, 512> words{};
    Conf copy(kafka().conf_dup(conf_.get()));
    rd_kafka_t* handle = kafka().make(RD_KAFKA_PRODUCER, copy.get(), words.data(), words.size());
    if (handle == nullptr) return usage_error(fmt::format("Kafka: {}", words.data()));
    (void)copy.release();  // the producer owns it now
    producer_.emplace(handle);
    return {};
  }

  /// False: no more can be queued now.
  bool produce(const Message& message, std::size_t index) {
    const store::Record& record = *message.record;
    const std::string key = text_of(record.server);
    const std::string& topic = record.kind == store::RecordKind::alert ? alerts_ : flows_;
    Flight& flight = shared_.flight;
    // The variadic rd_kafka_producev() has macros with casts that our warnings forbid.
    std::array<rd_kafka_vu_t, 6> parts{};
    parts[0].vtype = RD_KAFKA_VTYPE_TOPIC;
    parts[0].u.cstr = topic.c_str();
    parts[1].vtype = RD_KAFKA_VTYPE_KEY;
    parts[1].u.mem = {const_cast<char*>(key.data()), key.size()};
    parts[2].vtype = RD_KAFKA_VTYPE_VALUE;
    parts[2].u.mem = {const_cast<char*>(message.body.data()), message.body.size()};
    parts[3].vtype = RD_KAFKA_VTYPE_HEADER;
    parts[3].u.header = {"event.id", record.id.data(), static_cast<ssize_t>(record.id.size())};
    parts[4].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    parts[4].u.i = RD_KAFKA_MSG_F_COPY;
    parts[5].vtype = RD_KAFKA_VTYPE_OPAQUE;
    parts[5].u.ptr = &flight.fates[index];
    rd_kafka_error_t* failure = kafka().produceva(producer_->get(), parts.data(), parts.size());
    const rd_kafka_resp_err_t error = failure == nullptr ? RD_KAFKA_RESP_ERR_NO_ERROR : kafka().error_code(failure);
    if (failure != nullptr) kafka().error_destroy(failure);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      ++flight.open;
      return true;
    }
    if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
      flight.fates[index] = Fate::refused;
      if (flight.refusal.empty()) flight.refusal = kafka().err2str(error);
      return true;
    }
    note_failure(flight, error);
    return false;
  }

  void await_reports(const std::stop_token& stop) {
    constexpr int kNap = 50;
    Flight& flight = shared_.flight;
    // librdkafka gives a message up at its own time-out; this one is for what hangs all the same.
    const Clock::time_point deadline = Clock::now() + options_.timeout + std::chrono::seconds(2);
    while (flight.open > 0 && !stop.stop_requested() && Clock::now() < deadline) {
      kafka().poll(producer_->get(), kNap);
      // What was queued just after librdkafka took the others back would wait for its time-out.
      if (!flight.aftermath.empty()) kafka().purge(producer_->get(), RD_KAFKA_PURGE_F_QUEUE);
    }
  }

  std::string trouble() {
    std::string where;
    for (const std::string& broker : options_.brokers) where.append(where.empty() ? "" : ",").append(broker);
    const std::lock_guard lock(shared_.words.mutex);
    const std::string& said = shared_.words.latest;
    const Flight& flight = shared_.flight;
    const std::string& reason = flight.trouble.empty() ? flight.aftermath : flight.trouble;
    return fmt::format("{}: {}{}", where, reason.empty() ? "no acknowledgement in time" : reason,
                       said.empty() ? "" : fmt::format(" ({})", printable(said, 200)));
  }

  const KafkaOptions options_;
  const Conf conf_;
  const std::string alerts_;  ///< topic of alerts
  const std::string flows_;
  Shared shared_;  ///< outlives the producer, whose threads write to it
  std::optional<Producer> producer_;
};

}  // namespace

Result<std::unique_ptr<Receiver>> make_kafka_receiver(const KafkaOptions& options) {
  if (const auto loaded = load_kafka(); !loaded) return tl::unexpected(loaded.error());
  auto conf = make_conf(options);
  if (!conf) return tl::unexpected(conf.error());
  auto receiver = std::make_unique<KafkaReceiver>(options, std::move(*conf));
  if (auto tried = receiver->try_out(); !tried) return tl::unexpected(tried.error());
  return receiver;
}

}  // namespace doorslam::sink
