// Writes a capture of a given number of TCP connections and packets, for the benchmarks of `doorslam read`.
//
// Theory of operation: every connection is planned first (ends, packet count, payload of each segment), so that the
// sums come out exactly; then a queue ordered by time plays all connections at once. A closing connection makes room
// for the next one, which holds the number of open connections at the wanted level until the plan runs out. The same
// options give the same octets.

#include <pcap/pcap.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <queue>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kEthernetLength = 14;
constexpr std::size_t kIpLength = 20;
constexpr std::size_t kTimestampsOption = 12;                      // RFC 7323 with two NOPs, as Linux sends it
constexpr std::size_t kSynOptions = 20;                            // MSS, SACK permitted, timestamps, window scale
constexpr std::size_t kHeader = 14 + 20 + 20 + kTimestampsOption;  // Ethernet, IPv4, TCP
constexpr std::size_t kSynLength = 14 + 20 + 20 + kSynOptions;
constexpr std::uint32_t kMinimumPackets = 6;
constexpr std::size_t kMaximumPayload = 1448;

struct Plan {
  std::uint32_t connections = 120'000;
  std::uint64_t packets = 1'500'000;
  std::uint32_t open = 50'000;
  double mean_octets = 93.0;
  double lifetime_seconds = 10.0;
  std::uint64_t seed = 1;
  std::string out;
};

/// splitmix64: the same numbers with every standard library.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  double unit() { return static_cast<double>(next() >> 11U) * 0x1p-53; }
  /// Exponential with the given mean.
  double exponential(double mean) { return -mean * std::log(1.0 - unit()); }

 private:
  std::uint64_t state_;
};

enum class Step : std::uint8_t { syn, syn_ack, ack, request, response, client_fin, server_fin, last_ack, server_ack };

bool from_client(Step step) {
  return step != Step::syn_ack && step != Step::response && step != Step::server_fin && step != Step::server_ack;
}

struct Connection {
  std::uint32_t client = 0;  // IPv4 address, host byte order
  std::uint32_t server = 0;
  std::uint16_t client_port = 0;
  std::uint16_t server_port = 0;
  std::uint8_t packets = 0;
  std::uint8_t sent = 0;
  std::uint8_t client_ttl = 0;
  std::uint8_t server_ttl = 0;
  std::array<std::uint32_t, 2> next_seq{};  // client, server
  std::array<std::uint16_t, 2> ip_id{};
  std::uint32_t round_trip_us = 0;
};

/// What the connection sends as its `index`-th packet: handshake, requests and responses, then the closing.
Step step_at(const Connection& connection, std::uint32_t index) {
  if (index == 0) return Step::syn;
  if (index == 1) return Step::syn_ack;
  if (index == 2) return Step::ack;
  const std::uint32_t left = connection.packets - index;
  const bool four_way = connection.packets % 2 == 1;  // FIN, ACK, FIN, ACK instead of FIN, FIN, ACK
  if (left == 1) return Step::last_ack;
  if (left == 2) return Step::server_fin;
  if (four_way ? left == 4 : left == 3) return Step::client_fin;
  if (left == 3) return Step::server_ack;
  const std::uint32_t exchange_length = connection.packets - 3 - (four_way ? 4 : 3);
  const std::uint32_t at = index - 3;
  // Full exchanges are request, response, ACK; what is left over is a request and a response, or a response alone.
  switch (at % 3) {
    case 0:
      return exchange_length - at == 1 ? Step::response : Step::request;
    case 1:
      return Step::response;
    default:
      return Step::ack;
  }
}

bool carries_payload(Step step) { return step == Step::request || step == Step::response; }

std::vector<Connection> plan_connections(const Plan& plan, Random& random) {
  constexpr std::array<std::uint16_t, 6> kServerPorts = {80, 3128, 8000, 8008, 8080, 8888};
  std::vector<Connection> connections(plan.connections);
  std::uint64_t packets_left = plan.packets;
  for (std::uint32_t i = 0; i < plan.connections; ++i) {
    Connection& c = connections[i];
    const std::uint32_t others = plan.connections - i - 1;
    const std::uint64_t mean = packets_left / (others + 1);
    const std::uint64_t spread = std::min<std::uint64_t>(mean - kMinimumPackets, 4);
    std::uint64_t wanted = others == 0 ? packets_left : mean - spread + random.below(2 * spread + 2);
    wanted = std::min(wanted, packets_left - std::uint64_t{kMinimumPackets} * others);
    c.packets = static_cast<std::uint8_t>(wanted);
    packets_left -= wanted;
    // A client port of its own for each connection of a client: no two connections share a tuple.
    c.client = 0x0a000000U + 1 + (i % 20'000) * 5;
    c.client_port = static_cast<std::uint16_t>(32'768 + (i / 20'000) * 7 + random.below(7));
    c.server = 0xc6120000U + 1 + static_cast<std::uint32_t>(random.below(400)) * 17;
    c.server_port = kServerPorts[random.below(kServerPorts.size())];
    c.client_ttl = static_cast<std::uint8_t>(64 - random.below(8));
    c.server_ttl = static_cast<std::uint8_t>(64 - random.below(3));
    c.next_seq = {static_cast<std::uint32_t>(random.next()), static_cast<std::uint32_t>(random.next())};
    c.ip_id = {static_cast<std::uint16_t>(random.next()), static_cast<std::uint16_t>(random.next())};
    c.round_trip_us = 200 + static_cast<std::uint32_t>(random.exponential(8'000.0));
  }
  return connections;
}

/// Hands out payload lengths of random size whose sum makes the mean frame as long as asked for.
class PayloadBudget {
 public:
  PayloadBudget(const Plan& plan, const std::vector<Connection>& connections) {
    std::uint64_t headers = 0;
    for (const Connection& c : connections) {
      for (std::uint32_t i = 0; i < c.packets; ++i) {
        const Step step = step_at(c, i);
        headers += step == Step::syn || step == Step::syn_ack ? kSynLength : kHeader;
        if (carries_payload(step)) ++segments_;
      }
    }
    octets_ = static_cast<std::int64_t>(plan.mean_octets * static_cast<double>(plan.packets)) -
              static_cast<std::int64_t>(headers);
  }

  bool feasible() const {
    return segments_ > 0 && octets_ >= segments_ * 4 && octets_ / segments_ < static_cast<std::int64_t>(700);
  }

  std::size_t take(Random& random) {
    const std::int64_t mean = std::max<std::int64_t>(octets_ / segments_, 1);
    std::int64_t length = 1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(2 * mean)));
    if (segments_ == 1) length = octets_;
    length = std::clamp<std::int64_t>(length, 1, kMaximumPayload);
    octets_ -= length;
    --segments_;
    return static_cast<std::size_t>(length);
  }

 private:
  std::int64_t segments_ = 0;
  std::int64_t octets_ = 0;
};

void put16(std::uint8_t* at, std::uint32_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8U);
  at[1] = static_cast<std::uint8_t>(value);
}

void put32(std::uint8_t* at, std::uint32_t value) {
  put16(at, value >> 16U);
  put16(at + 2, value);
}

std::uint32_t add_octets(std::uint32_t sum, const std::uint8_t* data, std::size_t length) {
  for (std::size_t i = 0; i + 1 < length; i += 2) sum += (std::uint32_t{data[i]} << 8U) | data[i + 1];
  if (length % 2 == 1) sum += std::uint32_t{data[length - 1]} << 8U;
  return sum;
}

/// The Internet checksum of RFC 1071.
std::uint16_t folded(std::uint32_t sum) {
  while ((sum >> 16U) != 0) sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~sum);
}

void fill_payload(std::uint8_t* out, std::size_t length, bool request, std::uint32_t salt) {
  std::array<char, 160> text{};
  const int written =
      request ? std::snprintf(text.data(), text.size(), "GET /item/%08x HTTP/1.1\r\nHost: shop.example\r\n\r\n", salt)
              : std::snprintf(text.data(), text.size(),
                              "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nETag: \"%08x\"\r\n\r\n", salt);
  const std::size_t head = std::min(length, static_cast<std::size_t>(written));
  std::memcpy(out, text.data(), head);
  for (std::size_t i = head; i < length; ++i) out[i] = static_cast<std::uint8_t>('a' + (salt + i) % 26);
}

std::uint8_t flags_of(Step step) {
  switch (step) {
    case Step::syn:
      return 0x02;
    case Step::syn_ack:
      return 0x12;
    case Step::request:
    case Step::response:
      return 0x18;
    case Step::client_fin:
    case Step::server_fin:
      return 0x11;
    default:
      return 0x10;
  }
}

std::size_t write_tcp_options(std::uint8_t* at, bool syn, std::uint32_t ts_value, std::uint32_t ts_echo) {
  if (syn) {
    constexpr std::array<std::uint8_t, 8> kStart = {2, 4, 0x05, 0xb4, 4, 2, 8, 10};
    std::memcpy(at, kStart.data(), kStart.size());
    put32(at + 8, ts_value);
    put32(at + 12, ts_echo);
    constexpr std::array<std::uint8_t, 4> kScale = {1, 3, 3, 7};
    std::memcpy(at + 16, kScale.data(), kScale.size());
    return kSynOptions;
  }
  constexpr std::array<std::uint8_t, 4> kStart = {1, 1, 8, 10};
  std::memcpy(at, kStart.data(), kStart.size());
  put32(at + 4, ts_value);
  put32(at + 8, ts_echo);
  return kTimestampsOption;
}

/// Writes the frame of the connection's next packet and advances its numbers. Returns the frame's length.
std::size_t write_frame(std::uint8_t* frame, Connection& c, Step step, std::size_t payload, std::uint32_t millis) {
  const bool client = from_client(step);
  const std::size_t self = client ? 0 : 1;
  const std::uint32_t source = client ? c.client : c.server;
  const std::uint32_t destination = client ? c.server : c.client;
  constexpr std::array<std::uint8_t, 14> kEthernet = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
  std::memcpy(frame, kEthernet.data(), kEthernet.size());

  std::uint8_t* tcp = frame + kEthernetLength + kIpLength;
  const bool syn = step == Step::syn || step == Step::syn_ack;
  const std::uint32_t echo = step == Step::syn ? 0 : millis - c.round_trip_us / 2000;
  const std::size_t tcp_header = 20 + write_tcp_options(tcp + 20, syn, millis, echo);
  put16(tcp, client ? c.client_port : c.server_port);
  put16(tcp + 2, client ? c.server_port : c.client_port);
  put32(tcp + 4, c.next_seq[self]);
  put32(tcp + 8, step == Step::syn ? 0 : c.next_seq[1 - self]);
  tcp[12] = static_cast<std::uint8_t>(tcp_header << 2U);
  tcp[13] = flags_of(step);
  put16(tcp + 14, syn ? 64'240 : 502);
  put32(tcp + 16, 0);  // checksum, urgent pointer
  fill_payload(tcp + tcp_header, payload, step == Step::request, c.next_seq[0]);

  std::uint8_t* ip = frame + kEthernetLength;
  const std::size_t tcp_length = tcp_header + payload;
  put16(ip, 0x4500);
  put16(ip + 2, static_cast<std::uint32_t>(kIpLength + tcp_length));
  put16(ip + 4, c.ip_id[self]++);
  put16(ip + 6, 0x4000);  // don't fragment
  ip[8] = client ? c.client_ttl : c.server_ttl;
  ip[9] = 6;
  put16(ip + 10, 0);
  put32(ip + 12, source);
  put32(ip + 16, destination);
  put16(ip + 10, folded(add_octets(0, ip, kIpLength)));
  const std::uint32_t pseudo = add_octets(6 + static_cast<std::uint32_t>(tcp_length), ip + 12, 8);
  put16(tcp + 16, folded(add_octets(pseudo, tcp, tcp_length)));

  c.next_seq[self] += static_cast<std::uint32_t>(payload) + ((flags_of(step) & 0x03U) != 0 ? 1U : 0U);
  return kEthernetLength + kIpLength + tcp_length;
}

/// Seconds until the connection's next packet: half a round trip where it answers, thinking time before a request.
double pause_before(const Connection& c, Step step, double think_seconds, Random& random) {
  const double half_trip = static_cast<double>(c.round_trip_us) / 2e6;
  switch (step) {
    case Step::request:
    case Step::client_fin:
      return think_seconds * (0.5 + random.unit());
    case Step::response:
      return half_trip + random.exponential(0.004);
    default:
      return half_trip;
  }
}

/// Mean thinking time that makes connections live as long as planned: requests and the FIN wait for it.
double think_time(const Plan& plan) {
  const double packets = static_cast<double>(plan.packets) / plan.connections;
  return plan.lifetime_seconds / std::max(1.0, (packets - 6.5) / 3.0 + 1.0);
}

struct Due {
  double at;
  std::uint32_t connection;
  bool operator>(const Due& other) const { return at != other.at ? at > other.at : connection > other.connection; }
};

class CaptureFile {
 public:
  explicit CaptureFile(const std::string& path) : pcap_(pcap_open_dead(DLT_EN10MB, 262'144), pcap_close) {
    dumper_ = pcap_dump_open(pcap_.get(), path.c_str());
  }
  ~CaptureFile() {
    if (dumper_ != nullptr) pcap_dump_close(dumper_);
  }
  CaptureFile(const CaptureFile&) = delete;
  CaptureFile& operator=(const CaptureFile&) = delete;

  bool opened() const { return dumper_ != nullptr; }
  const char* error() const { return pcap_geterr(pcap_.get()); }
  bool flush() { return pcap_dump_flush(dumper_) == 0; }

  void write(double seconds, const std::uint8_t* frame, std::size_t length) {
    pcap_pkthdr header{};
    header.ts.tv_sec = static_cast<time_t>(seconds);
    header.ts.tv_usec = static_cast<suseconds_t>((seconds - std::floor(seconds)) * 1e6);
    header.caplen = header.len = static_cast<bpf_u_int32>(length);
    pcap_dump(reinterpret_cast<u_char*>(dumper_), &header, frame);
  }

 private:
  std::unique_ptr<pcap_t, decltype(&pcap_close)> pcap_;
  pcap_dumper_t* dumper_ = nullptr;
};

void play(const Plan& plan, std::vector<Connection>& connections, PayloadBudget& budget, Random& random,
          CaptureFile& file) {
  constexpr double kStart = 1'700'000'000.0;
  const double think = think_time(plan);
  std::priority_queue<Due, std::vector<Due>, std::greater<>> queue;
  std::uint32_t opened = 0;
  for (; opened < std::min(plan.open, plan.connections); ++opened)
    queue.push({random.unit() * plan.lifetime_seconds / 4, opened});
  std::array<std::uint8_t, 2048> frame{};
  while (!queue.empty()) {
    const Due due = queue.top();
    queue.pop();
    Connection& c = connections[due.connection];
    const Step step = step_at(c, c.sent++);
    const std::size_t payload = carries_payload(step) ? budget.take(random) : 0;
    const std::size_t length =
        write_frame(frame.data(), c, step, payload, 1'000'000 + static_cast<std::uint32_t>(due.at * 1e3));
    file.write(kStart + due.at, frame.data(), length);
    if (c.sent < c.packets) {
      queue.push({due.at + pause_before(c, step_at(c, c.sent), think, random), due.connection});
    } else if (opened < plan.connections) {
      queue.push({due.at + random.exponential(0.001), opened++});
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Plan plan;
  CLI::App app{"Write a capture of TCP connections for benchmarks; the same options give the same file"};
  app.add_option("--packets", plan.packets, "Packets in all")->capture_default_str();
  app.add_option("--connections", plan.connections, "Connections in all")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--open", plan.open, "Connections open at a time")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--mean", plan.mean_octets, "Mean frame length in octets")->capture_default_str();
  app.add_option("--lifetime", plan.lifetime_seconds, "Mean life of a connection in seconds")->capture_default_str();
  app.add_option("--seed", plan.seed, "Seed of the random numbers")->capture_default_str();
  app.add_option("--out", plan.out, "File to write")->required();
  CLI11_PARSE(app, argc, argv);

  if (plan.packets < std::uint64_t{kMinimumPackets} * plan.connections ||
      plan.packets > std::uint64_t{200} * plan.connections) {
    std::fprintf(stderr, "make_capture: a connection has 6 to 200 packets; change --packets or --connections\n");
    return 2;
  }
  Random random(plan.seed);
  std::vector<Connection> connections = plan_connections(plan, random);
  PayloadBudget budget(plan, connections);
  if (!budget.feasible()) {
    std::fprintf(stderr, "make_capture: --mean %.1f cannot be met with these counts; 80 to 300 is usual\n",
                 plan.mean_octets);
    return 2;
  }
  CaptureFile file(plan.out);
  if (!file.opened()) {
    std::fprintf(stderr, "make_capture: %s\n", file.error());
    return 1;
  }
  play(plan, connections, budget, random, file);
  if (!file.flush()) {
    std::fprintf(stderr, "make_capture: %s: writing failed; is the disk full?\n", plan.out.c_str());
    return 1;
  }
  return 0;
}
