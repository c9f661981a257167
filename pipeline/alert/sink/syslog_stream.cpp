#include "pipeline/alert/sink/syslog_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "pipeline/alert/sink/byte_stream.h"

namespace doorslam::sink {

namespace {

constexpr const char* kEndedEarly = "the connection ended before all that was sent had arrived";

class SyslogStream final : public Receiver {
 public:
  SyslogStream(const SyslogOptions& options, SslContext tls)
      : options_(options), tls_(std::move(tls)), line_(options.identity) {}

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
    const bool read = stream_ && end_stream(std::min(deadline, Clock::now() + options_.timeout), stop);
    doubtful_.clear();
    if (read) return {};
    begin_pieces();
    return fmt::format("{}: {}", options_.target.text(), kEndedEarly);
  }

 private:
  struct Doubtful {
    std::uint64_t end = 0;  ///< place in the stream behind the frame
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
    if (std::string trouble = secure(*stream, deadline, stop); !trouble.empty()) return trouble;
    begin_stream(std::move(*stream));
    return {};
  }

  std::string secure(ByteStream& stream, Clock::time_point deadline, const std::stop_token& stop) {
    const std::string trouble = tls_ ? stream.secure(*tls_, name(), deadline, stop) : std::string();
    return trouble.empty() ? trouble : options_.target.text() + ": " + trouble;
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
    while (!doubtful_.empty() && doubtful_.front().end + options_.resend_octets <= written_) doubtful_.pop_front();
    return Delivery::all(messages.size(), Fate::delivered);
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
      if (trouble.empty() && !end_stream(Clock::now() + options_.timeout, stop)) trouble = kEndedEarly;
      if (!trouble.empty()) {
        stream_.reset();
        piece_octets_ = std::max<std::size_t>(std::min(piece_octets_, frames_.size()) / 2, 1);
        delivery.trouble = options_.target.text() + ": " + trouble;
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
    return delivery;
  }

  /// Whether the receiver has read all and lives. Its FIN alone says only that nothing is unread: the kernel of a
  /// process that was killed over what it had just read sends the same one. So the receiver is asked for a second
  /// connection first, and that one has to outlive the first; then it takes the first one's place.
  bool end_stream(Clock::time_point deadline, const std::stop_token& stop) {
    std::optional<ByteStream> successor = make_successor(deadline, stop);
    const bool alive = stream_->look().empty();  // a FIN before ours is no answer to it
    const Receipt receipt = alive ? stream_->end(deadline, stop) : Receipt::broken;
    stream_.reset();
    if (receipt == Receipt::silent) return silence_will_do();
    if (receipt == Receipt::broken) return false;
    gives_receipts_ = true;
    if (!successor) return true;  // it does not listen while it reads
    if (!outlives(*successor, deadline, stop)) return ++successors_lost_ >= kEnough;
    successors_lost_ = 0;
    begin_stream(std::move(*successor));
    return true;
  }

  /// Not secured yet: a receiver that reads one connection at a time has no ear for it.
  std::optional<ByteStream> make_successor(Clock::time_point deadline, const std::stop_token& stop) {
    constexpr auto kPatience = std::chrono::seconds(1);
    auto successor = ByteStream::connect(options_.target, std::min(deadline, Clock::now() + kPatience), stop);
    return successor ? std::optional(std::move(*successor)) : std::nullopt;
  }

  /// With TLS the process itself answers; without, its death closes one connection soon after the other.
  bool outlives(ByteStream& successor, Clock::time_point deadline, const std::stop_token& stop) {
    if (tls_) return secure(successor, deadline, stop).empty();
    constexpr auto kSoon = std::chrono::milliseconds(20);
    return successor.stays_open(kSoon);
  }

  /// A receiver that has never ended a stream after us is one that does not: then what its kernel took has to do. One
  /// that has before and does not now hangs.
  bool silence_will_do() { return !gives_receipts_ && ++silences_ >= kEnough; }

  void begin_pieces() { piece_octets_ = std::clamp<std::size_t>(written_here_ / 2, 1, kLongestPiece); }

  Delivery broken(std::size_t messages, const std::string& trouble) {
    stream_.reset();
    begin_pieces();
    Delivery delivery = Delivery::all(messages, Fate::again, options_.target.text() + ": " + trouble);
    delivery.resend_from = in_doubt();
    doubtful_.clear();
    return delivery;
  }

  static constexpr unsigned kEnough = 3;  ///< in a row, and it is the receiver's way
  static constexpr std::size_t kLongestPiece = std::size_t{1} << 20;

  const SyslogOptions options_;
  const SslContext tls_;
  SyslogLine line_;
  std::optional<ByteStream> stream_;
  std::deque<Doubtful> doubtful_;   ///< in the order of the stream
  std::uint64_t written_ = 0;       ///< octets, over all connections
  std::uint64_t written_here_ = 0;  ///< octets, over this one
  std::size_t piece_octets_ = 0;    ///< 0: no pieces, one stream
  bool gives_receipts_ = false;
  unsigned silences_ = 0;
  unsigned successors_lost_ = 0;
  std::string frames_;
  std::string line_buffer_;
};

}  // namespace

std::unique_ptr<Receiver> make_syslog_stream(const SyslogOptions& options, SslContext tls) {
  return std::make_unique<SyslogStream>(options, std::move(tls));
}

}  // namespace doorslam::sink
