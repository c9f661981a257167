#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "tests/unit/diagnose/spoken_story.h"

/// Refusals that begin as a service does: what the server says first is what it says to everybody, and the no stands
/// behind it, or is no word at all.
namespace doorslam::diagnose {
namespace {

using namespace test;
using namespace std::string_literals;
using namespace std::string_view_literals;

class BehindTheGreeting : public SpokenStory {
 protected:
  static Conversation& open(Story& story, IpAddress who, double at) {
    Conversation& talk = story.connect(who, at);
    talk.handshake();
    return talk;
  }
};

/// The greeting is shorter than what is compared of first words, and behind it stand the answers to what others asked.
TEST_F(BehindTheGreeting, AShortGreetingIsTheSameToWhoeverStaysSilent) {
  Story story;
  for (int i = 0; i < 3; ++i) story.serve(client(10 + i), 1.0 + 2.0 * i);
  Conversation& silent = open(story, client(36), 8.0);
  silent.server(kPsh | kAck, kGreeting);
  silent.client(kAck);
  silent.after(seconds(5.0));
  Story::hang_up(silent);
  const DiagnosedConnection reading = read(story).of(silent);
  EXPECT_NE(reading.diagnosis.cause, Cause::acl_denied) << in_full(reading.diagnosis);
  EXPECT_FALSE(says(reading, "said something else"));
}

/// Binary protocols have octets of 10 anywhere: an LDAP result has one right before its code (RFC 4511, section 4.1.9).
TEST_F(BehindTheGreeting, ALineEndsTextAlone) {
  const auto result = [](char code) { return "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01"s + code + "\x04\0\x04\0"s; };
  constexpr auto kBind = "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0"sv;
  Story story({address4(200), 5389});
  for (int i = 0; i < 6; ++i) {
    Conversation& talk = open(story, client(10 + i), 1.0 + 2.0 * i);
    talk.exchange(kBind, result('\0'));
    talk.exchange("\x30\x05\x02\x01\x02\x63\x09"sv, "\x30\x05\x02\x01\x02\x65\x07"sv);
    talk.close();
  }
  Conversation& refused = open(story, client(36), 8.0);
  refused.exchange(kBind, result('\x50'));
  Story::hang_up(refused);
  EXPECT_TRUE(says(read(story).of(refused), "said something else than to the 6 sessions that went on"));
}

// --- The sender's name stands before everything ----------------------------------------------------------------------

class BehindTheName : public BehindTheGreeting {
 protected:
  static Conversation& register_nick(Story& story, IpAddress who, double at) {
    Conversation& talk = open(story, who, at);
    talk.client(kPsh | kAck, "NICK n\r\nUSER n 0 * :n\r\n");
    return talk;
  }
  static void serve_irc(Story& story) {
    for (int i = 0; i < 5; ++i) {
      Conversation& talk = register_nick(story, client(10 + i), 1.0 + i);
      talk.server(kPsh | kAck, ":irc.example.net 001 n :Welcome to the network n!n@host\r\n");
      talk.client(kAck);
      talk.exchange("PING :x\r\n", ":irc.example.net PONG irc.example.net :x\r\n");
      talk.exchange("QUIT\r\n", "ERROR :Closing link: (n@host) [Client exited]\r\n");
      talk.close();
    }
  }
};

/// With its blank the name fills the octets by which words are known that have been read before.
TEST_F(BehindTheName, ABanIsReadAfterManyAWelcome) {
  Story story({address4(200), 6669});
  serve_irc(story);
  Conversation& banned = register_nick(story, client(36), 9.0);
  banned.server(kPsh | kAck,
                ":irc.example.net 465 * :You're banned!\r\nERROR :Closing link: (n@host) [Z-lined: go away]\r\n");
  banned.after(20 * kMicrosecondNs).server(kFin | kAck);
  banned.after(20 * kMicrosecondNs).server(kRst | kAck);
  const DiagnosedConnection reading = read(story).of(banned);
  EXPECT_TRUE(is_read_as(reading, Cause::acl_denied));
  ASSERT_TRUE(reading.diagnosis.signature);
  EXPECT_EQ(reading.diagnosis.signature->name, "irc-closing-banned");
}

TEST_F(BehindTheName, AnotherCommandIsAnotherWord) {
  Story story({address4(200), 6669});
  serve_irc(story);
  Conversation& refused = register_nick(story, client(36), 9.0);
  refused.server(kPsh | kAck, ":irc.example.net 991 n :Xyzzy\r\n");
  Story::hang_up(refused);
  EXPECT_TRUE(says(read(story).of(refused), "said something else than to the 5 sessions that went on"));
}

// --- The no stands behind what everybody hears -----------------------------------------------------------------------

TEST_F(BehindTheGreeting, AFullVncServerSaysSoAfterThePassword) {
  const auto log_in = [](Story& story, IpAddress who, double at) -> Conversation& {
    Conversation& talk = open(story, who, at);
    talk.server(kPsh | kAck, "RFB 003.008\n");
    talk.exchange("RFB 003.008\n", "\1\2"sv);
    talk.exchange("\2", "0123456789abcdef");
    talk.client(kPsh | kAck, "fedcba9876543210");
    return talk;
  };
  const auto reading_with = [&](std::string_view no) {
    Story story({address4(200), 5907});
    for (int i = 0; i < 4; ++i) {
      Conversation& served = log_in(story, client(10 + i), 1.0 + i);
      served.server(kPsh | kAck, "\0\0\0\0"sv);
      served.exchange("\1", "\0\x40\0\x40\x20\x18\0\1\0\xff\0\xff\0\xff\x10\x08\0\0\0\0\0\0\0\7root@vm"sv);
      served.after(seconds(5)).close();
    }
    Conversation& refused = log_in(story, client(1), 3.5);
    refused.server(kFin | kPsh | kAck, no);
    refused.client(kAck);
    refused.client(kFin | kAck);
    refused.server(kAck);
    return read(story).of(refused);
  };
  EXPECT_TRUE(is_read_as(reading_with("\0\0\0\1\0\0\0\x1cThe server is already in use"sv), Cause::connection_limit));
  EXPECT_FALSE(is_read_as(reading_with("\0\0\0\1\0\0\0\x0bNot for you"sv), Cause::served));
}

/// AuthenticationOk waits in the server's buffer for what follows.
TEST_F(BehindTheGreeting, AFatalErrorBehindTheLoginServesNobody) {
  const auto reading_with = [](std::string_view error) {
    Story story({address4(200), 5432});
    for (int i = 0; i < 4; ++i) {
      Conversation& served = open(story, client(10 + i), 1.0 + i);
      served.exchange("\0\0\0\x17\0\3\0\0user\0a\0\0"sv, "R\0\0\0\x08\0\0\0\0Z\0\0\0\5I"sv);
      served.exchange("Q\0\0\0\x0dSELECT 1\0"sv, "T\0\0\0\x06\0\0Z\0\0\0\5I"sv);
      served.close();
    }
    Conversation& refused = open(story, client(1), 9.0);
    refused.exchange("\0\0\0\x17\0\3\0\0user\0a\0\0"sv, std::string("R\0\0\0\x08\0\0\0\0"sv).append(error));
    refused.client(kAck);
    refused.after(4 * kMillisecondNs);
    Story::hang_up(refused);
    return read(story).of(refused);
  };
  EXPECT_TRUE(is_read_as(
      reading_with("E\0\0\0vSFATAL\0VFATAL\0C55000\0Mdatabase \"a\" is not currently accepting connections\0\0"sv),
      Cause::maintenance));
  EXPECT_FALSE(
      is_read_as(reading_with("E\0\0\0FSFATAL\0VFATAL\0C0A000\0Mthis is not supported here\0\0"sv), Cause::served));
}

TEST_F(BehindTheGreeting, SubversionTellsAWrongPasswordInAString) {
  const auto reading_with = [](std::initializer_list<std::string_view> answers) {
    Story story({address4(200), 3690});
    Conversation& talk = open(story, client(1), 1.0);
    talk.server(kPsh | kAck, "( success ( 2 2 ( ) ( edit-pipeline svndiff1 absent-entries commit-revprops ) ) ) ");
    talk.exchange("( 2 ( edit-pipeline ) 12:svn://h/repo 3:SVN ( ) ) ", "( success ( ( CRAM-MD5 ) 1:r ) ) ");
    for (std::string_view answer : answers) {
      talk.exchange("( CRAM-MD5 ( ) ) ", "( step ( 17:<1.2@vm.example.x> ) ) ");
      talk.exchange("37:anna 7d83095dcd3745f8cc6b16cc7c05e7c7 ", answer);
    }
    talk.close();
    return read(story).of(talk);
  };
  constexpr auto kWrong = "( failure ( 18:Password incorrect ) ) "sv;
  constexpr auto kRight = "( success ( ) ) ( success ( 4:uuid 12:svn://h/repo ( mergeinfo ) ) ) "sv;
  EXPECT_TRUE(is_read_as(reading_with({kWrong}), Cause::auth_failed));
  EXPECT_TRUE(is_read_as(reading_with({kRight}), Cause::served));
  EXPECT_TRUE(is_read_as(reading_with({kWrong, kRight}), Cause::served));
}

// --- No word of it ---------------------------------------------------------------------------------------------------

/// Each of six that met the same is no witness that the others were served.
TEST_F(BehindTheGreeting, AResetBehindTheFirstWordsIsNoServiceToAnybody) {
  const auto reading_of_last = [](bool reset) {
    Story story({address4(200), 3389});
    Conversation* last = nullptr;
    for (int i = 0; i < 6; ++i) {
      last = &open(story, client(10 + i), 1.0 + i);
      last->exchange("\3\0\0\x13\x0e\xe0\0\0\0\0\0\1\0\x08\0\1\0\0\0\0"sv, "\3\0\0\x09\2\xf0\x80\x21\x80"sv);
      if (reset) {
        last->after(50 * kMicrosecondNs).server(kRst | kAck);
      } else {
        Story::hang_up(*last);
      }
    }
    return read(story).of(*last);
  };
  const DiagnosedConnection reset = reading_of_last(true);
  EXPECT_TRUE(is_read_as(reset, Cause::unknown));
  EXPECT_TRUE(argues_against(reset, Cause::served, "after its first words, and goes on with nobody"));
  EXPECT_FALSE(says(reset, "began with the same words"));
  EXPECT_TRUE(is_read_as(reading_of_last(false), Cause::served)) << "an answer, and the close";
}

/// A packet of SSH with the message in front, as it is before the keys are in use (RFC 4253, section 6).
std::string ssh_packet(char message, std::size_t octets) {
  std::string packet("\0\0\0\0\4"sv);
  packet[2] = static_cast<char>((octets + 2) >> 8U);
  packet[3] = static_cast<char>((octets + 2) & 0xffU);
  return packet + message + std::string(octets, 'k');
}

class SshHandshake : public BehindTheGreeting {
 protected:
  static Conversation& name_algorithms(Story& story, IpAddress who, double at) {
    Conversation& talk = open(story, who, at);
    talk.exchange("SSH-2.0-client\r\n", "SSH-2.0-server\r\n");
    talk.exchange(ssh_packet(20, 1200), ssh_packet(20, 900));
    return talk;
  }
};

TEST_F(SshHandshake, WithoutKeysServesNobody) {
  const auto reading_of = [](bool server_leaves) {
    Story story({address4(200), 2222});
    for (int i = 0; i < 4; ++i) {
      Conversation& served = name_algorithms(story, client(10 + i), 1.0 + i);
      served.exchange(ssh_packet(30, 40), ssh_packet(31, 600));
      for (int n = 0; n < 6; ++n) served.exchange(std::string(90, 'c'), std::string(700, 's'));
      served.close();
    }
    Conversation& talk = name_algorithms(story, client(1), 9.0);
    server_leaves ? Story::hang_up(talk) : talk.close();
    return read(story).of(talk);
  };
  for (const bool server_leaves : {true, false}) {
    const DiagnosedConnection reading = reading_of(server_leaves);
    EXPECT_TRUE(is_read_as(reading, Cause::unknown)) << server_leaves;
    EXPECT_TRUE(argues_against(reading, Cause::served, "no keys were exchanged")) << server_leaves;
  }
}

/// TLS 1.3: the first answer asks for another ClientHello, so the Finished comes a flight later.
TEST_F(BehindTheGreeting, ACertificateIsRefusedAfterASecondClientHello) {
  Story story({address4(200), 4433});
  Conversation& talk = open(story, client(24), 1.0);
  const std::string hello = std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"sv) + std::string(506, 'h');
  const std::string retry =
      std::string(
          "\x16\x03\x03\x00\x58\x02\x00\x00\x54\x03\x03\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91"
          "\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"sv) +
      std::string(50, 'r');
  talk.exchange(hello, retry);
  talk.exchange("\x14\x03\x03\x00\x01\x01"s + hello,
                std::string("\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03"sv) + std::string(1200, 's'));
  talk.exchange(std::string("\x17\x03\x03\x00\x45"sv) + std::string(0x45, 'f'),
                std::string("\x17\x03\x03\x00\x13"sv) + std::string(0x13, 'a'));
  talk.after(150 * kMicrosecondNs).server(kRst | kAck);
  const DiagnosedConnection reading = read(story).of(talk);
  EXPECT_TRUE(is_read_as(reading, Cause::tls_refused));
  EXPECT_TRUE(argues_for(reading, Cause::tls_refused, "one encrypted record of an alert's size"));
}

/// A check that a port is open: the server's complaint comes when nobody listens any more.
TEST_F(BehindTheGreeting, WhatIsSaidToAClientThatHasLeftIsNoReason) {
  Story story({address4(200), 4433});
  Conversation& talk = open(story, client(35), 1.0);
  talk.after(seconds(2)).client(kFin | kAck);
  talk.server(kPsh | kAck, "\x15\x03\x03\x00\x02\x02\x32"sv);
  talk.server(kFin | kAck);
  talk.client(kRst);
  const DiagnosedConnection reading = read(story).of(talk);
  EXPECT_TRUE(is_read_as(reading, Cause::client_abort));
  EXPECT_FALSE(says(reading, "tls-alert"));
}

}  // namespace
}  // namespace doorslam::diagnose
