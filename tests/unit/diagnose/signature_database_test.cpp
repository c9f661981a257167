#include "pipeline/diagnose/signature/signature_database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_folder.h"
#include "tests/unit/diagnose/signature_text.h"

namespace doorslam::diagnose {
namespace {

using test::head_of;
using test::parse;
using test::view_of;
using test::yaml_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto kServer = tcp::Side::responder;

SignatureDatabase database_of(const std::string& signatures) {
  auto parsed = parse("signatures:\n" + signatures);
  EXPECT_TRUE(parsed) << parsed.error().message;
  auto database = SignatureDatabase::compile(std::move(*parsed));
  EXPECT_TRUE(database) << database.error().message;
  return *database;
}

SignatureScanner scanner_of(const std::string& signatures) {
  auto scanner = SignatureScanner::create(database_of(signatures));
  EXPECT_TRUE(scanner) << scanner.error().message;
  return std::move(*scanner);
}

std::vector<std::string> names_of(std::span<const SignatureHit> hits) {
  std::vector<std::string> names;
  for (const SignatureHit& hit : hits) names.push_back(hit.signature->name);
  return names;
}

TEST(SignatureDatabase, NamesTheSignatureWithABadExpression) {
  auto parsed =
      parse("signatures:\n" + yaml_of("good", "x", "served: 1", "exact") + yaml_of("bad", "a(b", "served: 1", "exact"));
  const auto database = SignatureDatabase::compile(std::move(*parsed));
  ASSERT_FALSE(database);
  EXPECT_EQ(database.error().kind, ErrorKind::usage);
  EXPECT_THAT(database.error().message,
              HasSubstr("a.yaml:12:17: signature 'bad': Hyperscan refuses the expression a(b"));
  EXPECT_THAT(database.error().message, HasSubstr("index 1"));
}

TEST(SignatureDatabase, TellsAllMistakesOfAllFilesInTheirOrder) {
  const doorslam::test::TemporaryFolder folder;
  const auto write = [&](const char* name, const std::string& text) { std::ofstream(folder / name) << text; };
  write("a.yaml", "signatures:\n" + yaml_of("one", "a(b", "served: 1", "exact") +
                      yaml_of("two", "x", "nonsense: 1", "vague", {"colour: red"}) +
                      yaml_of("off", "c(d", "served: 1", "exact", {"enabled: false"}) +
                      yaml_of("three", "[e", "served: 1", "exact"));
  write("b.yaml", "signatures: [\n");
  const std::filesystem::path paths[] = {folder / "a.yaml", folder / "missing.yaml", folder / "b.yaml"};
  std::string told;
  for (const Error& mistake : signature_mistakes(paths)) {
    EXPECT_EQ(mistake.kind, ErrorKind::usage);
    told += mistake.message + "\n";
  }
  EXPECT_THAT(told, testing::MatchesRegex("[^\n]*missing.yaml: cannot read [^\n]*\n"
                                          "[^\n]*a.yaml:13:14: unknown cause 'nonsense'[^\n]*\n"
                                          "[^\n]*a.yaml:14:18: 'specificity' is 'vague'[^\n]*\n"
                                          "[^\n]*a.yaml:17:5: unknown key 'colour'[^\n]*\n"
                                          "[^\n]*b.yaml:2:1: no YAML[^\n]*\n"
                                          "[^\n]*a.yaml:4:17: signature 'one': Hyperscan refuses[^\n]*\n"
                                          "[^\n]*a.yaml:[0-9]*:17: signature 'three': Hyperscan refuses[^\n]*\n"));
  const std::filesystem::path good[] = {default_signature_directory()};
  EXPECT_THAT(signature_mistakes(good), IsEmpty());
}

TEST(SignatureDatabase, LeavesOutWhatIsSwitchedOff) {
  auto scanner = scanner_of(yaml_of("off", "x", "served: 1", "exact", {"enabled: false"}) +
                            yaml_of("on", "x", "served: 1", "exact"));
  EXPECT_THAT(names_of(scanner.scan(head_of({"x"}), {}, kServer, 1)), ElementsAre("on"));
}

TEST(SignatureDatabase, MayBeEmpty) {
  auto scanner = scanner_of(yaml_of("off", "x", "served: 1", "exact", {"enabled: false"}));
  EXPECT_THAT(scanner.scan(head_of({"x"}), {}, kServer, 1), IsEmpty());
}

TEST(SignatureScanner, AnchorsAtEachSegmentStartAndSaysWhere) {
  auto scanner = scanner_of(yaml_of("bye", "^421 ", "served: 1", "exact"));
  EXPECT_THAT(scanner.scan(head_of({"220 x 421 y"}), {}, kServer, 1), IsEmpty());

  const auto hits = scanner.scan(head_of({"220 x\r\n", "421 bye"}), {}, kServer, 1);
  ASSERT_EQ(hits.size(), 1u);
  EXPECT_EQ(hits[0].segment, 1);
  EXPECT_EQ(hits[0].offset, 7);
  EXPECT_EQ(hits[0].end, 11);
  EXPECT_FALSE(hits[0].in_last_words);
}

TEST(SignatureScanner, MatchesAMessageThatSpansSegments) {
  auto scanner = scanner_of(yaml_of("whole", "^421 too many", "served: 1", "exact"));
  EXPECT_THAT(names_of(scanner.scan(head_of({"421 ", "too many"}), {}, kServer, 1)), ElementsAre("whole"));
}

TEST(SignatureScanner, ScansTheLastWords) {
  auto scanner = scanner_of(yaml_of("bye", "^421 ", "served: 1", "exact"));
  const auto hits = scanner.scan(head_of({"220 x\r\n"}), view_of("421 bye"), kServer, 1);
  ASSERT_EQ(hits.size(), 1u);
  EXPECT_TRUE(hits[0].in_last_words);
  EXPECT_EQ(hits[0].offset, 0);
  EXPECT_EQ(hits[0].end, 4);
}

TEST(SignatureScanner, ReportsASignatureOnceByItsLatestWords) {
  auto scanner = scanner_of(yaml_of("ok", "^ok", "served: 1", "exact"));
  const auto in_head = scanner.scan(head_of({"ok a", "ok b"}), view_of("ok b"), kServer, 1);
  ASSERT_EQ(in_head.size(), 1u);
  EXPECT_EQ(in_head[0].segment, 1);
  EXPECT_FALSE(in_head[0].in_last_words) << "these last words are the head's second segment";

  const auto later = scanner.scan(head_of({"ok a", "ok b"}), view_of("ok c"), kServer, 1);
  ASSERT_EQ(later.size(), 1u);
  EXPECT_TRUE(later[0].in_last_words);
}

/// "-ERR" in place of a POP3 greeting refuses; in answer to a command it is everyday business.
TEST(SignatureScanner, HearsAGreetingInTheFirstWordsOnly) {
  auto scanner = scanner_of(yaml_of("refusal", "^-ERR ", "acl_denied: 1", "exact", {"first_words: true"}));
  EXPECT_THAT(names_of(scanner.scan(head_of({"-ERR no\r\n"}), {}, kServer, 1)), ElementsAre("refusal"));
  EXPECT_THAT(names_of(scanner.scan(head_of({"-ERR no\r\n", "-ERR no\r\n"}), {}, kServer, 1)), ElementsAre("refusal"));
  EXPECT_THAT(scanner.scan(head_of({"+OK hello\r\n", "-ERR what?\r\n"}), {}, kServer, 1), IsEmpty());
  EXPECT_THAT(scanner.scan(head_of({"+OK hello\r\n"}), view_of("-ERR what?\r\n"), kServer, 1), IsEmpty());
}

TEST(SignatureScanner, HearsOnlyTheSideThatSpeaks) {
  auto scanner = scanner_of(yaml_of("server", "x", "served: 1", "exact") +
                            yaml_of("client", "x", "served: 1", "exact", {"side: client"}));
  EXPECT_THAT(names_of(scanner.scan(head_of({"x"}), {}, kServer, 1)), ElementsAre("server"));
  EXPECT_THAT(names_of(scanner.scan(head_of({"x"}), {}, tcp::Side::originator, 1)), ElementsAre("client"));
}

TEST(SignatureScanner, OrdersBySpecificityThenPortThenTime) {
  auto scanner = scanner_of(yaml_of("a-vague", "x", "served: 1", "protocol") +
                            yaml_of("b-elsewhere", "x", "served: 1", "exact", {"ports: [25]"}) +
                            yaml_of("c-here", "x", "served: 1", "exact", {"ports: [21]"}) +
                            yaml_of("d-later", "y", "served: 1", "protocol"));
  const auto hits = scanner.scan(head_of({"x", "y"}), {}, kServer, 21);
  EXPECT_THAT(names_of(hits), ElementsAre("c-here", "b-elsewhere", "d-later", "a-vague"));
  EXPECT_TRUE(hits[0].port_fits);
  EXPECT_FALSE(hits[1].port_fits);
}

/// 421 is "too busy" in FTP and SMTP, "misdirected request" in HTTP, and nothing anywhere else.
TEST(SignatureScanner, CountsGenericCodesOnlyInTheirContext) {
  auto scanner = scanner_of(yaml_of("ftp-421", "^421 ", "served: 1", "generic", {"protocol: ftp", "ports: [21]"}) +
                            yaml_of("ftp-hello", "FTP", "served: 1", "greeting", {"protocol: ftp"}) +
                            yaml_of("smtp-hello", "SMTP", "served: 1", "greeting", {"protocol: smtp"}));
  EXPECT_THAT(scanner.scan(head_of({"421 x"}), {}, kServer, 9999), IsEmpty());
  EXPECT_THAT(names_of(scanner.scan(head_of({"421 x"}), {}, kServer, 21)), ElementsAre("ftp-421"));
  EXPECT_THAT(names_of(scanner.scan(head_of({"220 FTP", "421 x"}), {}, kServer, 9999)),
              ElementsAre("ftp-421", "ftp-hello"));
  EXPECT_THAT(names_of(scanner.scan(head_of({"220 SMTP", "421 x"}), {}, kServer, 9999)), ElementsAre("smtp-hello"));
}

TEST(SignatureScanner, OutOfContextSignaturesDoNotVouchForEachOther) {
  auto scanner = scanner_of(yaml_of("one", "^4", "served: 1", "generic", {"protocol: ftp"}) +
                            yaml_of("two", "^42", "served: 1", "generic", {"protocol: ftp"}));
  EXPECT_THAT(scanner.scan(head_of({"421 x"}), {}, kServer, 21), IsEmpty());
}

TEST(SignatureScanner, HearsNothingInSilence) {
  auto scanner = scanner_of(yaml_of("any", "x", "served: 1", "exact"));
  EXPECT_THAT(scanner.scan({}, {}, kServer, 1), IsEmpty());
}

TEST(SignatureScanner, ReadsOctetsNotText) {
  auto scanner = scanner_of(yaml_of("alert", R"(^\x15\x03[\x00-\x04]\x00\x02\x02\x28)", "tls_refused: 1", "exact"));
  EXPECT_THAT(names_of(scanner.scan(head_of({{"\x15\x03\x03\x00\x02\x02\x28", 7}}), {}, kServer, 443)),
              ElementsAre("alert"));
}

/// What a dialogue is found to say must not depend on what was scanned before, as long as words differ in their first
/// sixteen octets.
TEST(SignatureScanner, RecallsWhatItWouldFindByScanning) {
  const std::string signatures =
      yaml_of("greeting", "^220", "served: 1", "greeting") + yaml_of("full", "^421", "connection_limit: 1", "exact") +
      yaml_of("spanning", "(?s)^ab.*yz", "served: 1", "exact") +
      yaml_of("alarm", "^A", "tls_refused: 1", "exact", {"side: client"}) +
      yaml_of("generic", "^500", "maintenance: 1", "generic", {"needs_context: true", "ports: [25]"});
  auto fresh = scanner_of(signatures);
  auto seasoned = scanner_of(signatures);
  const std::vector<std::string_view> pieces = {
      "220 hello\r\n", "421 too many\r\n", "ab", "yz", "500 no\r\n", "Alarm", "x", ""};
  const auto every = [&](auto look) {
    for (const std::string_view a : pieces) {
      for (const std::string_view b : pieces) {
        for (const std::string_view last : pieces) {
          for (const std::uint16_t port : {std::uint16_t{25}, std::uint16_t{80}}) {
            for (const tcp::Side side : {kServer, tcp::Side::originator}) look(head_of({a, b}), last, side, port);
          }
        }
      }
    }
  };
  for (int time = 0; time < 2; ++time) {
    every([&](const tcp::PayloadHead& head, std::string_view last, tcp::Side side, std::uint16_t port) {
      const auto scanned = fresh.scan(head, view_of(last), side, port);
      const auto recalled = seasoned.recall(head, view_of(last), side, port);
      ASSERT_EQ(names_of(recalled), names_of(scanned));
      for (std::size_t i = 0; i < scanned.size(); ++i) {
        EXPECT_EQ(std::tuple(recalled[i].port_fits, recalled[i].in_last_words, recalled[i].segment, recalled[i].end),
                  std::tuple(scanned[i].port_fits, scanned[i].in_last_words, scanned[i].segment, scanned[i].end));
      }
    });
  }
}

TEST(SignatureScanner, ScansWordsThatOnceHeldARefusalAnew) {
  auto scanner = scanner_of(yaml_of("full", "(?s)^220.*too many", "connection_limit: 1", "exact"));
  const auto names = [&](std::string_view words) {
    return names_of(scanner.recall(head_of({words}), {}, kServer, 21));
  };
  EXPECT_THAT(names("220 a long greeting, too many connections"), ElementsAre("full"));
  EXPECT_THAT(names("220 a long greeting, go ahead"), IsEmpty());
}

/// The same code and address, and then "greylisted" or "denied".
TEST(SignatureScanner, RemembersNoReplyOfAnError) {
  auto scanner = scanner_of(yaml_of("later", "^450[^\\n]*Greylisted", "served: 1", "exact") +
                            yaml_of("denied", "^450[^\\n]*Access denied", "acl_denied: 1", "exact"));
  const auto names = [&](std::string_view words) {
    return names_of(scanner.recall(head_of({words}), {}, kServer, 25));
  };
  EXPECT_THAT(names("450 4.7.1 <joe@example.test>: Greylisted"), ElementsAre("later"));
  EXPECT_THAT(names("450 4.7.1 <joe@example.test>: Access denied"), ElementsAre("denied"));
}

/// "+OK" is a success of Redis; to a POP3 client it says "go on".
TEST(SignatureScanner, SuccessOvercomesRefusalsOfItsOwnProtocol) {
  const auto names = [](std::string_view protocol_of_refusal) {
    const std::string refusal = "protocol: " + std::string(protocol_of_refusal);
    auto scanner = scanner_of(yaml_of("in", "^\\+OK", "served: 1", "exact", {"success: true", "protocol: redis"}) +
                              yaml_of("out", "^-ERR", "auth_failed: 1", "exact", {refusal}));
    return names_of(scanner.scan(head_of({"-ERR invalid password\r\n", "+OK\r\n"}), {}, kServer, 1));
  };
  EXPECT_THAT(names("redis"), ElementsAre("in"));
  EXPECT_THAT(names("text"), ElementsAre("in"));
  EXPECT_THAT(names("pop3"), ElementsAre("in", "out"));
}

/// A session that begins as others do is not remembered by what its own end was.
TEST(SignatureScanner, RemembersNoLoginForThoseWhoBeginAlike) {
  auto scanner = scanner_of(yaml_of("in", "(?s)^.*230 ", "served: 1", "exact", {"success: true"}) +
                            yaml_of("out", "^530 ", "auth_failed: 1", "exact"));
  const auto names = [&](std::string_view answer) {
    return names_of(scanner.recall(head_of({"220 ready to serve you\r\n", "331 your password, please\r\n", answer}), {},
                                   kServer, 21));
  };
  EXPECT_THAT(names("230 welcome\r\n"), ElementsAre("in"));
  EXPECT_THAT(names("530 no such user\r\n"), ElementsAre("out"));
}

}  // namespace
}  // namespace doorslam::diagnose
