#include <fcntl.h>

#include <array>
#include <thread>

#include "pipeline/port/capture_source.h"
#include "tests/unit/port/capture_bytes.h"

namespace doorslam::port {
namespace {

using packet::RawPacket;
using test::Bytes;
using test::frame;
using test::PcapFile;
using test::PcapngFile;

constexpr std::int64_t kSecond = flowtable::kSecondNs;

struct Seen {
  std::uint8_t mark;  ///< first octet
  flowtable::TimeNs time_ns;
  std::uint64_t number;
  friend bool operator==(const Seen&, const Seen&) = default;
};

std::vector<Seen> drain(CaptureSource& source, std::size_t burst_size = CaptureSource::kBurst) {
  std::vector<Seen> all;
  std::vector<RawPacket> burst(burst_size);
  while (const std::size_t count = source.next_burst(burst)) {
    for (const RawPacket& packet : std::span(burst).first(count)) {
      all.push_back({packet.captured[0], packet.time_ns, packet.number});
      // Every octet of a frame carries its mark: bytes that a later packet of the burst has overwritten would show.
      for (const std::uint8_t octet : packet.captured) EXPECT_EQ(octet, packet.captured[0]);
    }
  }
  return all;
}

std::string marks(const std::vector<Seen>& all) {
  std::string text;
  for (const Seen& seen : all) text += static_cast<char>(seen.mark);
  return text;
}

/// Standard input replaced by a descriptor, for the length of a test.
class StdinFrom {
 public:
  explicit StdinFrom(int descriptor) : saved_(::dup(STDIN_FILENO)) { ::dup2(descriptor, STDIN_FILENO); }
  ~StdinFrom() {
    ::dup2(saved_, STDIN_FILENO);
    ::close(saved_);
  }
  StdinFrom(const StdinFrom&) = delete;
  StdinFrom& operator=(const StdinFrom&) = delete;

 private:
  int saved_;
};

class CaptureSourceTest : public test::CaptureFolder {
 protected:
  static CaptureSource open(const std::vector<std::string>& paths) { return CaptureSource::open(paths); }
};

TEST_F(CaptureSourceTest, NumbersPacketsFromOne) {
  CaptureSource source = open({write("a", PcapFile().packet(1, 0, frame('a')).packet(2, 0, frame('b')).bytes())});
  EXPECT_EQ(drain(source), (std::vector<Seen>{{'a', kSecond, 1}, {'b', 2 * kSecond, 2}}));
  EXPECT_EQ(source.statistics().packets, 2U);
  EXPECT_EQ(source.files_opened(), 1U);
}

TEST_F(CaptureSourceTest, MergesFilesByTimeAndEqualTimesByTheirPlace) {
  const std::string first = write("1", PcapFile().packet(1, 0, frame('a')).packet(3, 0, frame('d')).bytes());
  const std::string second = write("2", PcapngFile()
                                            .interface()
                                            .packet(0, 1'000'000, frame('b'))
                                            .packet(0, 1'000'000, frame('c'))
                                            .packet(0, 3'000'000, frame('e'))
                                            .bytes());
  const std::string third = write("3", PcapFile().packet(9, 0, frame('f')).bytes());
  for (const std::size_t burst : {std::size_t{1}, std::size_t{2}, std::size_t{64}}) {
    CaptureSource source = open({first, second, third});
    EXPECT_EQ(marks(drain(source, burst)), "abcdef");
    EXPECT_EQ(source.statistics().time_reversals, 0U);
  }
  CaptureSource source = open({third, second, first});
  EXPECT_EQ(marks(drain(source)), "bcaedf");
}

TEST_F(CaptureSourceTest, MergesLargeFilesWithoutOverwritingWhatItLends) {
  std::vector<std::string> paths;
  for (std::uint32_t part = 0; part < 5; ++part) {
    PcapFile file;
    for (std::uint32_t i = 0; i < 1000; ++i) {
      file.packet(1 + i * (part + 1) / 3, part, frame(static_cast<std::uint8_t>(i), 20 + (i * 37) % 2500));
    }
    paths.push_back(write(std::to_string(part), file.bytes()));
  }
  CaptureSource source = open(paths);
  const std::vector<Seen> all = drain(source);
  ASSERT_EQ(all.size(), 5000U);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].number, i + 1);
    EXPECT_GE(all[i].time_ns, all[i == 0 ? 0 : i - 1].time_ns);
  }
  EXPECT_EQ(source.statistics().time_reversals, 0U);
}

TEST_F(CaptureSourceTest, TimeNeverGoesBackwards) {
  PcapFile file;
  file.packet(5, 0, frame('a')).packet(3, 0, frame('b')).packet(4, 0, frame('c')).packet(6, 0, frame('d'));
  for (const bool merged : {false, true}) {
    std::vector<std::string> paths = {write("a", file.bytes())};
    if (merged) paths.push_back(write("late", PcapFile().packet(9, 0, frame('e')).bytes()));
    CaptureSource source = open(paths);
    const std::vector<Seen> all = drain(source);
    EXPECT_EQ(all.at(1), (Seen{'b', 5 * kSecond, 2}));
    EXPECT_EQ(all.at(2), (Seen{'c', 5 * kSecond, 3}));
    EXPECT_EQ(all.at(3), (Seen{'d', 6 * kSecond, 4}));
    EXPECT_EQ(source.statistics().time_reversals, 2U);
    EXPECT_EQ(source.statistics().largest_reversal_ns, 2 * kSecond);
  }
}

TEST_F(CaptureSourceTest, CountsWhatTheSnapLengthCut) {
  CaptureSource source = open({write("a", PcapFile().packet(1, 0, frame('a')).packet(2, 0, frame('b'), 1500).bytes())});
  EXPECT_EQ(drain(source).size(), 2U);
  EXPECT_EQ(source.statistics().packets_cut, 1U);
}

TEST_F(CaptureSourceTest, PacketsWithoutTimeAreReadAndNeverStampedNoTime) {
  CaptureSource source = open({write("a", PcapFile().packet(0, 0, frame('a')).packet(0, 0, frame('b')).bytes())});
  const std::vector<Seen> all = drain(source);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_GT(all[0].time_ns, flowtable::kNoTime);
  EXPECT_EQ(source.statistics().packets_without_time, 2U);
  EXPECT_EQ(source.statistics().time_reversals, 0U);
}

TEST_F(CaptureSourceTest, AFileThatCannotBeReadTakesNothingFromTheOthers) {
  PcapFile good;
  good.packet(1, 0, frame('a')).packet(3, 0, frame('c'));
  PcapFile cut;
  cut.packet(2, 0, frame('b')).packet(4, 0, frame('d'));
  const std::string cut_path = write_part("cut", cut.bytes(), cut.bytes().size() - 1);
  CaptureSource source = open({(folder_ / "missing").string(), write("text", frame('x', 50)), cut_path,
                               write("good", good.bytes()), write("gz", {0x1f, 0x8b, 8, 0})});
  EXPECT_EQ(source.errors().size(), 3U);
  EXPECT_EQ(source.files_opened(), 2U);
  EXPECT_EQ(marks(drain(source)), "abc");
  ASSERT_EQ(source.errors().size(), 4U);
  EXPECT_NE(source.errors()[3].message.find(cut_path + ": cut short at byte "), std::string::npos);
  for (const Error& error : source.errors()) EXPECT_EQ(error.message.find('\n'), std::string::npos);
}

TEST_F(CaptureSourceTest, NothingToReadEndsAtOnce) {
  CaptureSource empty = open({});
  EXPECT_TRUE(drain(empty).empty());
  CaptureSource header_alone = open({write("a", PcapFile().bytes()), write("b", PcapFile().bytes())});
  EXPECT_TRUE(drain(header_alone).empty());
  EXPECT_TRUE(header_alone.errors().empty());
}

TEST_F(CaptureSourceTest, ReadsAPipe) {
  PcapFile file(PcapFile::kNanoseconds, test::Order::big);
  for (std::uint32_t i = 0; i < 5000; ++i) file.packet(i + 1, 0, frame('p', 100));
  const Bytes whole = file.bytes();
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  // Cut short in the last record, and sent in odd portions as a pipe does.
  std::thread writer([&] {
    std::size_t sent = 0;
    while (sent < whole.size() - 3) {
      const ssize_t got = ::write(pipe[1], whole.data() + sent, std::min<std::size_t>(997, whole.size() - 3 - sent));
      if (got <= 0) break;
      sent += static_cast<std::size_t>(got);
    }
    ::close(pipe[1]);
  });
  const StdinFrom swap(pipe[0]);
  CaptureSource source = open({"-"});
  EXPECT_EQ(source.progress().octets_total, std::nullopt);
  EXPECT_EQ(drain(source).size(), 4999U);
  writer.join();
  ::close(pipe[0]);
  ASSERT_EQ(source.errors().size(), 1U);
  EXPECT_NE(source.errors()[0].message.find("standard input: cut short at byte " +
                                            std::to_string(file.starts().back()) + ","),
            std::string::npos)
      << source.errors()[0].message;
  EXPECT_EQ(source.progress().octets_read, whole.size() - 3);
  source.forgive_cut_input();
  EXPECT_EQ(source.errors().size(), 1U) << "nobody had told it to end when it was cut";
}

TEST_F(CaptureSourceTest, ReadsARedirectedFileAndKnowsItsSize) {
  const PcapngFile file = PcapngFile().interface().packet(0, 1'000'000, frame('a')).packet(0, 2'000'000, frame('b'));
  const int descriptor = ::open(write("a", file.bytes()).c_str(), O_RDONLY | O_CLOEXEC);
  const StdinFrom swap(descriptor);
  ::close(descriptor);
  CaptureSource source = open({"-", "-"});
  ASSERT_EQ(source.errors().size(), 1U);
  EXPECT_EQ(source.errors()[0].kind, ErrorKind::usage);
  EXPECT_EQ(source.progress().octets_total, file.bytes().size());
  EXPECT_EQ(marks(drain(source)), "ab");
  EXPECT_EQ(source.progress().octets_read, file.bytes().size());
}

TEST_F(CaptureSourceTest, ProgressCountsAllFiles) {
  PcapFile file;
  for (std::uint32_t i = 0; i < 100; ++i) file.packet(i + 1, 0, frame('a'));
  CaptureSource source = open({write("a", file.bytes()), write("b", file.bytes())});
  drain(source);
  EXPECT_EQ(source.progress().octets_total, 2 * file.bytes().size());
  EXPECT_EQ(source.progress().octets_read, 2 * file.bytes().size());
}

}  // namespace
}  // namespace doorslam::port
