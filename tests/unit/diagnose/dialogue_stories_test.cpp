#include <gtest/gtest.h>

#include <tuple>

#include "tests/unit/diagnose/spoken_story.h"

/// Words of refusal are to be taken by what was said before and after them, and by whom.
namespace doorslam::diagnose {
namespace {

using namespace test;

/// One line after another, the server's marked by a leading '<', the client's by '>'.
using Lines = std::vector<std::string>;

class DialogueStory : public SpokenStory {
 protected:
  static void speak(Conversation& talk, const Lines& lines) {
    talk.handshake();
    for (const std::string& line : lines) {
      const std::string_view words = std::string_view(line).substr(1);
      line.front() == '<' ? talk.server(kPsh | kAck, words) : talk.client(kPsh | kAck, words);
    }
  }
  enum class Closer : bool { server, client };
  static Conversation& hold(Story& story, IpAddress who, double at, const Lines& lines, Closer closer) {
    Conversation& talk = story.connect(who, at);
    speak(talk, lines);
    closer == Closer::server ? Story::hang_up(talk) : talk.close();
    return talk;
  }
  /// The reading of the one conversation.
  static DiagnosedConnection reading_of(std::uint16_t port, const Lines& lines, Closer closer = Closer::server) {
    Story story({address4(200), port});
    Conversation& talk = hold(story, client(1), 1.0, lines, closer);
    return read(story).of(talk);
  }
};

// --- What was said last ----------------------------------------------------------------------------------------------

TEST_F(DialogueStory, WhoLogsInAtTheSecondAttemptWasServed) {
  const Lines ftp = {"<220 (vsFTPd 3.0.3)\r\n", ">USER a\r\n", "<331 Please specify the password.\r\n", ">PASS x\r\n",
                     "<530 Login incorrect.\r\n"};
  Lines retried = ftp;
  retried.insert(retried.end(), {">USER b\r\n", "<331 Please specify the password.\r\n", ">PASS y\r\n",
                                 "<230 Login successful.\r\n", ">QUIT\r\n", "<221 Goodbye.\r\n"});
  EXPECT_TRUE(is_read_as(reading_of(21, retried), Cause::served));
  Lines gave_up = ftp;
  gave_up.insert(gave_up.end(), {">QUIT\r\n", "<221 Goodbye.\r\n"});
  EXPECT_TRUE(is_read_as(reading_of(21, gave_up), Cause::auth_failed));

  const Lines imap = {"<* OK [CAPABILITY IMAP4rev1] ready.\r\n", ">a1 LOGIN u bad\r\n",
                      "<a1 NO [AUTHENTICATIONFAILED] Authentication failed.\r\n", ">a2 LOGIN u good\r\n"};
  Lines in = imap;
  in.insert(in.end(), {"<a2 OK Logged in\r\n", ">a3 LOGOUT\r\n", "<* BYE Logging out\r\na3 OK\r\n"});
  EXPECT_TRUE(is_read_as(reading_of(143, in), Cause::served));
  Lines out = imap;
  out.insert(out.end(), {"<a2 NO [AUTHENTICATIONFAILED] Authentication failed.\r\n", ">a3 LOGOUT\r\n",
                         "<* BYE Logging out\r\na3 OK Logout completed.\r\n"});
  EXPECT_TRUE(is_read_as(reading_of(143, out), Cause::auth_failed));
}

/// "Must issue a STARTTLS command first", and the client does so.
TEST_F(DialogueStory, WhoDoesWhatWasAskedForWasServed) {
  Lines lines = {"<220 x ESMTP\r\n",
                 ">EHLO a\r\n",
                 "<250 x\r\n",
                 ">MAIL FROM:<a@b>\r\n",
                 "<530 5.7.0 Must issue a STARTTLS command first\r\n",
                 ">STARTTLS\r\n",
                 "<220 2.0.0 Ready to start TLS\r\n"};
  lines.insert(lines.end(),
               {">" + std::string("\x16\x03\x01\x00\xc8\x01", 6), "<" + std::string("\x16\x03\x03\x00\x45\x02", 6),
                ">" + std::string("\x17\x03\x03\x00\x40", 5), "<" + std::string("\x17\x03\x03\x00\x40", 5)});
  EXPECT_TRUE(is_read_as(reading_of(25, lines, Closer::client), Cause::served));
}

/// Redis says the same to a password that it accepts and to a farewell.
TEST_F(DialogueStory, AnAnswerToAFarewellIsNoSuccess) {
  const Lines refused = {">*1\r\n$4\r\nPING\r\n", "<-NOAUTH Authentication required.\r\n"};
  Lines authenticated = refused;
  authenticated.insert(authenticated.end(), {">*2\r\n$4\r\nAUTH\r\n$3\r\nabc\r\n", "<+OK\r\n"});
  EXPECT_TRUE(is_read_as(reading_of(6379, authenticated), Cause::served));
  Lines left = refused;
  left.insert(left.end(), {">*1\r\n$4\r\nQUIT\r\n", "<+OK\r\n"});
  EXPECT_TRUE(is_read_as(reading_of(6379, left), Cause::auth_failed));
}

/// What is kept of a server's words may end before the success.
TEST_F(DialogueStory, WhoGoesOnForLongHasGotOverTheRefusal) {
  Lines lines = {"<220 mx ESMTP\r\n",
                 ">EHLO a\r\n",
                 "<250-mx\r\n" + std::string(190, 'x') + "\r\n",
                 ">AUTH PLAIN eA\r\n",
                 "<535 5.7.8 Error: authentication failed: no\r\n",
                 ">AUTH PLAIN eB\r\n",
                 "<235 2.7.0 Authentication successful, and a long word of welcome\r\n"};
  const Lines refused(lines.begin(), lines.begin() + 5);
  for (int i = 0; i < 6; ++i) lines.insert(lines.end(), {">" + std::string(900, 'm') + "\r\n", "<250 ok\r\n"});
  lines.insert(lines.end(), {">QUIT\r\n", "<221 bye\r\n"});
  EXPECT_TRUE(is_read_as(reading_of(25, lines), Cause::served));
  EXPECT_TRUE(is_read_as(reading_of(25, refused), Cause::auth_failed));
}

// --- Whom an answer is about -----------------------------------------------------------------------------------------

/// X.1.x and X.2.x tell of addresses in the message (RFC 3463); every mail server says them all day.
TEST_F(DialogueStory, AnUnknownRecipientIsNoRefusalOfTheClient) {
  const Lines begin = {"<220 mx ESMTP\r\n",    ">EHLO a\r\n", "<250 mx\r\n",
                       ">MAIL FROM:<a@b>\r\n", "<250 ok\r\n", ">RCPT TO:<c@d>\r\n"};
  const auto answered = [&](std::string_view answer) {
    Lines lines = begin;
    lines.insert(lines.end(), {"<" + std::string(answer) + "\r\n", ">QUIT\r\n", "<221 bye\r\n"});
    return reading_of(25, lines);
  };
  for (const std::string_view answer :
       {"550 5.1.1 <c@d>: Recipient address rejected: User unknown in local recipient table",
        "450 4.1.8 <a@b>: Sender address rejected: Domain not found", "452 4.2.2 <c@d>: mailbox full",
        "550 No such user here", "450 4.2.0 <c@d>: Recipient address rejected: Greylisted, see http://x/"}) {
    EXPECT_TRUE(is_read_as(answered(answer), Cause::served)) << answer;
  }
  for (const std::string_view answer :
       {"554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied", "550 5.7.1 Connection not allowed"}) {
    EXPECT_TRUE(is_read_as(answered(answer), Cause::acl_denied)) << answer;
  }
  Lines one_of_two = begin;
  one_of_two.insert(one_of_two.end(), {"<554 5.7.1 <c@d>: Recipient address rejected: Access denied\r\n",
                                       ">RCPT TO:<e@d>\r\n", "<250 ok\r\n", ">DATA\r\n", "<354 go\r\n", ">x\r\n.\r\n",
                                       "<250 2.0.0 Ok: queued as 1\r\n", ">QUIT\r\n", "<221 bye\r\n"});
  EXPECT_TRUE(is_read_as(reading_of(25, one_of_two), Cause::served));
}

/// What is refused after MAIL is the message, for whom it is from, where it is to go or what it says: the client's
/// address is on no list for that. The same words before it are about the client.
TEST_F(DialogueStory, ARefusedMessageIsNoRefusalOfTheClient) {
  const Lines greeted = {"<220 mx ESMTP\r\n", ">EHLO a\r\n"};
  const Lines begun = {"<250 mx\r\n", ">MAIL FROM:<a@b>\r\n", "<250 ok\r\n", ">RCPT TO:<c@d>\r\n"};
  const auto reading_of_answer = [&](bool behind_mail, std::string_view answer) {
    Lines lines = greeted;
    if (behind_mail) lines.insert(lines.end(), begun.begin(), begun.end());
    lines.insert(lines.end(), {"<" + std::string(answer) + "\r\n", ">QUIT\r\n", "<221 bye\r\n"});
    return reading_of(25, lines);
  };
  for (const std::string_view answer :
       {"554 5.7.1 <c@d>: Relay access denied", "550 5.7.1 <c@d>... Relaying denied", "550 5.7.1 Unable to relay",
        "554 5.7.1 <c@d>: Recipient address rejected: Access denied", "550 relay not permitted",
        "554 5.7.1 Message rejected due to content restrictions", "554 5.7.1 Your email was rejected as spam",
        "550 5.7.1 Access denied", "550 Access denied", "550 Administrative prohibition",
        "554 5.7.1 Spam message rejected"}) {
    EXPECT_TRUE(is_read_as(reading_of_answer(true, answer), Cause::served)) << answer;
  }
  for (const std::string_view answer :
       {"550 5.7.1 Access denied", "550 Administrative prohibition", "554 5.7.1 Your address is not allowed here"}) {
    EXPECT_TRUE(is_read_as(reading_of_answer(false, answer), Cause::acl_denied)) << answer;
  }
  EXPECT_TRUE(is_read_as(reading_of_answer(true,
                                           "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using "
                                           "bl.example.test"),
                         Cause::acl_denied));
}

/// RFC 9110, section 11.6: without credentials a 401 asks for them.
TEST_F(DialogueStory, ARequestWithoutCredentialsIsAskedForThem) {
  const std::string asks = "<HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n";
  const std::string request = ">GET / HTTP/1.1\r\nHost: a\r\n";
  for (const Closer closer : {Closer::server, Closer::client}) {
    EXPECT_TRUE(is_read_as(reading_of(80, {request + "\r\n", asks}, closer), Cause::served));
    const auto failed = reading_of(80, {request + "authorization: Basic YTpi\r\n\r\n", asks}, closer);
    EXPECT_TRUE(is_read_as(failed, Cause::auth_failed));
    EXPECT_FALSE(says(failed, "YTpi"));
  }
}

// --- One status, one cause -------------------------------------------------------------------------------------------

TEST_F(DialogueStory, AStatusMeansTheSameWhoeverClosesFirst) {
  const auto reading = [&](std::string_view status, Closer closer) {
    Story story({address4(200), 80});
    const Lines served = {">GET / HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    for (int i = 0; i < 6; ++i) hold(story, client(10 + i), 1.0 + 2.0 * i, served, Closer::client);
    Conversation& talk = hold(story, client(1), 6.0,
                              {">GET / HTTP/1.1\r\n\r\n", "<HTTP/1.1 " + std::string(status) + "\r\n\r\n"}, closer);
    return read(story).of(talk);
  };
  constexpr auto kMeanings = std::to_array<std::tuple<std::string_view, Cause>>(
      {{"400 Bad Request", Cause::http_refused},
       {"403 Forbidden", Cause::http_refused},
       {"405 Method Not Allowed", Cause::http_refused},
       {"413 Content Too Large", Cause::http_refused},
       {"421 Misdirected Request", Cause::http_refused},
       {"429 Too Many Requests", Cause::rate_limit},
       {"451 Unavailable For Legal Reasons", Cause::http_refused},
       {"500 Internal Server Error", Cause::http_refused},
       {"502 Bad Gateway", Cause::http_refused},
       {"503 Service Unavailable", Cause::http_refused},
       {"503 Service Unavailable\r\nRetry-After: 600", Cause::maintenance},
       {"504 Gateway Timeout", Cause::http_refused}});
  for (const auto& [status, cause] : kMeanings) {
    for (const Closer closer : {Closer::server, Closer::client}) {
      EXPECT_TRUE(is_read_as(reading(status, closer), cause)) << status;
    }
  }
}

// --- Words that are content ------------------------------------------------------------------------------------------

TEST_F(DialogueStory, WhatALetterOrAPageQuotesIsNoRefusal) {
  const Lines pop3 = {
      "<+OK POP3\r\n",
      ">USER a\r\n",
      "<+OK\r\n",
      ">PASS b\r\n",
      "<+OK 1 msg\r\n",
      ">RETR 1\r\n",
      "<+OK 200 octets\r\nSubject: hi\r\n\r\n-ERR authentication failed\r\n421 too many connections\r\n.\r\n",
      ">QUIT\r\n",
      "<+OK bye\r\n"};
  EXPECT_TRUE(is_read_as(reading_of(110, pop3), Cause::served));
  const Lines page = {">GET /log HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{\"hits\":[",
                      "<421 too many connections\r\n530 Login incorrect\r\n"};
  EXPECT_TRUE(is_read_as(reading_of(9200, page), Cause::served));
  // The same words as a reply are one, after others as well.
  const Lines reply = {"<220 ready\r\n421 too many connections\r\n"};
  EXPECT_TRUE(is_read_as(reading_of(25, reply), Cause::connection_limit));
}

TEST_F(DialogueStory, WordsOfAStandardNameNoProgram) {
  const Lines lines = {"<220 x ESMTP\r\n", ">EHLO a\r\n", "<250 x\r\n", ">MAIL FROM:<a@b>\r\n",
                       "<530 5.7.0 Must issue a STARTTLS command first\r\n"};
  const auto reading = reading_of(25, lines);
  EXPECT_TRUE(is_read_as(reading, Cause::tls_refused));
  ASSERT_TRUE(reading.diagnosis.signature);
  EXPECT_EQ(reading.diagnosis.signature->program, "");
}

// --- The words that decided are shown --------------------------------------------------------------------------------

TEST_F(DialogueStory, TheLineThatDecidedIsTold) {
  const Lines lines = {"<220 mx ESMTP\r\n", ">EHLO a\r\n",
                       "<250-mx\r\n250 HELP\r\n554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: no\r\n",
                       ">QUIT\r\n", "<221 bye\r\n"};
  const auto reading = reading_of(25, lines);
  constexpr std::string_view kLine = "554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: no";
  ASSERT_TRUE(reading.diagnosis.signature);
  EXPECT_EQ(reading.diagnosis.signature->words, kLine);
  EXPECT_TRUE(argues_for(reading, Cause::acl_denied, kLine));

  Story story({address4(200), 25});
  Conversation& talk = hold(story, client(1), 1.0, lines, Closer::server);
  ReadOptions hidden{.analysis = {}, .scanner = scanner_.get()};
  hidden.analysis.banner_length = 0;
  const Readings readings = story.read(hidden);
  EXPECT_EQ(readings.of(talk).diagnosis.signature->words, "");
  EXPECT_FALSE(says(readings.of(talk), "rejected: no"));
}

// --- Who speaks another protocol -------------------------------------------------------------------------------------

constexpr std::string_view kClientHello("\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03", 11);

TEST_F(DialogueStory, WhoSpeaksAnotherProtocolIsRefusedByNoList) {
  const auto reading = [&](std::string_view usual, std::string_view own) {
    Story story({address4(200), 9443});
    for (int i = 0; i < 5; ++i) {
      hold(story, client(10 + i), 1.0 + 2.0 * i, {">" + std::string(usual), "<fine", ">more", "<fine"}, Closer::client);
    }
    Conversation* last = nullptr;
    for (int i = 0; i < 3; ++i) {
      last = &story.connect(client(1), 2.0 + 2.0 * i);
      last->handshake();
      last->client(kPsh | kAck, own);
      last->server(kRst | kAck);
    }
    return read(story).of(*last);
  };
  constexpr std::string_view kHttp = "GET / HTTP/1.1\r\n\r\n";
  const auto plain = reading(kClientHello, kHttp);
  EXPECT_TRUE(is_read_as(plain, Cause::tls_refused));
  EXPECT_TRUE(argues_against(plain, Cause::acl_denied,
                             "the client began with an HTTP request, the 5 served with a TLS ClientHello"));
  const auto unannounced = reading("PROXY TCP4 192.0.2.1 192.0.2.2 4 5\r\nGET / HTTP/1.1\r\n\r\n", kHttp);
  EXPECT_TRUE(is_read_as(unannounced, Cause::unknown));
  EXPECT_TRUE(argues_against(unannounced, Cause::acl_denied, "the 5 served with a PROXY header"));
  const auto old = reading(std::string_view("\0\0\0\x68\xfeSMB", 8), std::string_view("\0\0\0\x2f\xffSMBr", 9));
  EXPECT_TRUE(is_read_as(old, Cause::unknown));
  // What the others speak need not be known for that.
  const auto foreign = reading(std::string_view("\x30\x0c\x02\x01\x01", 5), kHttp);
  EXPECT_TRUE(is_read_as(foreign, Cause::unknown));
  EXPECT_TRUE(
      argues_against(foreign, Cause::acl_denied, "the client began with an HTTP request, none of the 5 served"));
  // Who speaks as all the others do may well be on a list.
  EXPECT_TRUE(is_read_as(reading(kHttp, kHttp), Cause::acl_denied));
}

/// A list is asked before the client has said anything. What a program does not read its kernel answers by RST; so a
/// FIN after the client's words, which it lets wait for, is about them.
TEST_F(DialogueStory, ACloseOnWordsThatWereReadIsNotForTheAddress) {
  const auto reading = [&](double own_time, std::uint8_t close) {
    Story story;
    for (int i = 0; i < 5; ++i) {
      hold(story, client(10 + i), 1.0 + 2.0 * i, {">\x01\x02", "<\x02", ">\x01\x03", "<\x03"}, Closer::client);
    }
    Conversation& talk = story.connect(client(1), 4.0);
    talk.handshake();
    talk.after(seconds(own_time)).client(kPsh | kAck, "\x01\x09");
    talk.server(kAck);
    talk.server(close | kAck);
    return read(story).of(talk);
  };
  const auto on_words = reading(3.0, kFin);
  EXPECT_TRUE(is_read_as(on_words, Cause::unknown));
  EXPECT_TRUE(argues_against(on_words, Cause::acl_denied, "the server waited 3.0 s for the client's words, read them"));
  EXPECT_TRUE(argues_against(reading(0.0, kFin), Cause::acl_denied, "read what the client said before it closed"));
  EXPECT_TRUE(is_read_as(reading(0.0, kRst), Cause::acl_denied));
}

/// Where nobody else is served, the two sides themselves show it.
TEST_F(DialogueStory, AClientHelloToAPlainPortIsToldAsSuch) {
  const auto reading = reading_of(80, {">" + std::string(kClientHello), "<HTTP/1.1 400 Bad Request\r\n\r\n"});
  EXPECT_TRUE(is_read_as(reading, Cause::http_refused));
  EXPECT_TRUE(
      argues_for(reading, Cause::http_refused, "began with a TLS ClientHello, and the server answered in plain"));
}

/// An alert in clear ends the handshake: nobody was served, and the certificate in question is the server's.
TEST_F(DialogueStory, AClientMayRefuseTheServersCertificate) {
  const std::string hello = ">" + std::string(kClientHello);
  const std::string certificate = "<" + std::string("\x16\x03\x03\x00\x45\x02\x00\x00\x41\x03\x03", 11);
  const auto reading =
      reading_of(443, {hello, certificate, ">" + std::string("\x15\x03\x03\x00\x02\x02\x30", 7)}, Closer::client);
  EXPECT_TRUE(is_read_as(reading, Cause::tls_refused));
  EXPECT_GT(reading.diagnosis.confidence, 0.95);
  EXPECT_TRUE(argues_for(reading, Cause::tls_refused,
                         "the client sent TLS alert 48 (unknown CA): it does not trust the server's certificate"));
}

}  // namespace
}  // namespace doorslam::diagnose
