#include "pipeline/alert/sink/syslog_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "pipeline/alert/sink/byte_stream.h"
#include "pipeline/alert/sink/receipts.h"

namespace doorslam::sink {

namespace {

/// A receiver that dies closes thousands of connections within so long. Of a piece the next follows at once; of a
/// stream that is quiet nothing does.
constexpr auto kGraceOfAPiece = std::chrono::milliseconds(50);
constexpr auto kGraceAtRest = std::chrono::milliseconds(500);

class SyslogStream final : public Receiver {
 public:
  SyslogStream(const SyslogOptions& options, SslContext tls)
      : options_(options),
        tls_(std::move(tls)),
        line_(options.identity),
        receipts_([this](ByteStream& stream, Clock::time_point deadline, const std::stop_token& stop) {
          return secure(stream, deadline, stop);
        }) {}

  SyslogStream(const SyslogStream&) = delete;
  SyslogStream& operator=(const SyslogStream&) = delete;
  ~SyslogStream() override {
    if (stream_) stream_->end(Clock::now() + std::chrono::milliseconds(100), std::stop_token());
  }

  Delivery deliver(std::span<const Message> messages, const std::stop_token& stop) override {
    return piece_octets_ == 0 ? deliver_in_stream(messages, stop) : deliver_in_pieces(messages, stop);
  }

  std::optional<Sequence> in_doubt() const override {
    return doubtful_.empty() ? std::nullopt : std::optional(doubtful_.front().sequence);
  }

  std::string settle(Clock::time_point deadline, const std::stop_token& stop) override {
    const std::string trouble = end_stream(std::min(deadline, Clock::now() + options_.timeout), kGraceAtRest, stop);
    doubtful_.clear();
    if (trouble.empty()) return {};
    begin_pieces();
    return told(trouble);
  }

 private:
  struct Doubtful {
    std::uint64_t end = 0;  ///< place in the stream after the frame
    Sequence sequence = 0;
  };

  const std::string& name() const {
    return options_.tls.server_name.empty() ? options_.target.host : options_.tls.server_name;
  }

  /// RFC 6587, section 3.4.1.
  void append_frame(const Message& message) {
    line_buffer_.clear();
    line_.append(message, line_buffer_);
    frames_.append(fmt::format_int(line_buffer_.size()).c_str()).append(1, ' ').append(line_buffer_);
  }

  /// What stands in the way, or nothing.
  std::string make_connection(const std::stop_token& stop) {
    if (stream_) return {};
    const Clock::time_point deadline = Clock::now() + options_.timeout;
    auto stream = ByteStream::connect(options_.target, deadline, stop);
    if (!stream) return stream.error().message;
    if (const std::string trouble = secure(*stream, deadline, stop); !trouble.empty()) return told(trouble);
    begin_stream(std::move(*stream));
    return {};
  }

  std::string secure(ByteStream& stream, Clock::time_point deadline, const std::stop_token& stop) {
    return tls_ ? stream.secure(*tls_, name(), deadline, stop) : std::string();
  }

  void begin_stream(ByteStream&& stream) {
    stream_.emplace(std::move(stream));
    written_here_ = 0;
  }

  Delivery deliver_in_stream(std::span<const Message> messages, const std::stop_token& stop) {
    if (stream_) {
      // A receiver that went away shows here, before more is thrown after it.
      const std::string trouble = stream_->look();
      if (!trouble.empty() && written_here_ > 0) return broken(messages.size(), trouble);
      if (!trouble.empty()) stream_.reset();  // it was tired of waiting
    }
    if (const std::string trouble = make_connection(stop); !trouble.empty()) {
      return Delivery::all(messages.size(), Fate::again, trouble);
    }
    frames_.clear();
    const std::uint64_t begin = written_;
    for (const Message& message : messages) {
      append_frame(message);
      doubtful_.push_back({begin + frames_.size(), message.record->sequence});
    }
    written_ += frames_.size();
    written_here_ += frames_.size();
    if (const std::string trouble = stream_->write(frames_, options_.timeout, stop); !trouble.empty()) {
      return broken(messages.size(), trouble);
    }
    const std::size_t in_doubt = std::max(options_.resend_octets, stream_->most_unread());
    while (!doubtful_.empty() && doubtful_.front().end + in_doubt <= written_) doubtful_.pop_front();
    Delivery delivery = Delivery::all(messages.size(), Fate::delivered);
    delivery.remark = receipts_.remark();
    return delivery;
  }

  /// Each piece on a connection of its own, with a receipt.
  Delivery deliver_in_pieces(std::span<const Message> messages, const std::stop_token& stop) {
    Delivery delivery = Delivery::all(messages.size(), Fate::again);
    std::size_t done = 0;
    while (done < messages.size() && piece_octets_ > 0 && !stop.stop_requested()) {
      delivery.trouble = make_connection(stop);
      if (!delivery.trouble.empty()) return delivery;
      frames_.clear();
      std::size_t end = done;
      while (end < messages.size() && (end == done || frames_.size() < piece_octets_)) append_frame(messages[end++]);
      std::string trouble = stream_->write(frames_, options_.timeout, stop);
      if (trouble.empty()) trouble = end_stream(Clock::now() + options_.timeout, kGraceOfAPiece, stop);
      delivery.remark = receipts_.remark();
      if (!trouble.empty()) {
        stream_.reset();
        piece_octets_ = std::max<std::size_t>(std::min(piece_octets_, frames_.size()) / 2, 1);
        delivery.trouble = told(trouble);
        return delivery;
      }
      std::fill_n(delivery.fates.data() + done, end - done, Fate::delivered);
      done = end;
      piece_octets_ = 2 * piece_octets_ > kLongestPiece ? 0 : 2 * piece_octets_;
    }
    if (done == messages.size() || stop.stop_requested()) return delivery;
    Delivery rest = deliver_in_stream(messages.subspan(done), stop);
    std::copy(rest.fates.begin(), rest.fates.end(), delivery.fates.data() + done);
    delivery.trouble = std::move(rest.trouble);
    delivery.resend_from = rest.resend_from;
    delivery.remark = std::move(rest.remark);
    return delivery;
  }

  /// What stands against all having arrived, or nothing.
  std::string end_stream(Clock::time_point deadline, std::chrono::milliseconds grace, const std::stop_token& stop) {
    if (!stream_) return "the connection was lost";
    Receipts::Outcome outcome = receipts_.end(*std::exchange(stream_, std::nullopt), deadline, grace, stop);
    if (outcome.successor) begin_stream(std::move(*outcome.successor));
    return std::move(outcome.trouble);
  }

  std::string told(const std::string& trouble) const { return options_.target.text() + ": " + trouble; }

  void begin_pieces() { piece_octets_ = std::clamp<std::size_t>(written_here_ / 2, 1, kLongestPiece); }

  Delivery broken(std::size_t messages, const std::string& trouble) {
    stream_.reset();
    begin_pieces();
    Delivery delivery = Delivery::all(messages, Fate::again, told(trouble));
    delivery.resend_from = in_doubt();
    doubtful_.clear();
    return delivery;
  }

  static constexpr std::size_t kLongestPiece = std::size_t{1} << 20;

  const SyslogOptions options_;
  const SslContext tls_;
  SyslogLine line_;
  Receipts receipts_;
  std::optional<ByteStream> stream_;
  std::deque<Doubtful> doubtful_;   ///< in the order of the stream
  std::uint64_t written_ = 0;       ///< octets, over all connections
  std::uint64_t written_here_ = 0;  ///< octets, over this one
  std::size_t piece_octets_ = 0;    ///< 0: no pieces, one stream
  std::string frames_;
  std::string line_buffer_;
};

}  // namespace

std::unique_ptr<Receiver> make_syslog_stream(const SyslogOptions& options, SslContext tls) {
  return std::make_unique<SyslogStream>(options, std::move(tls));
}

}  // namespace doorslam::sink
