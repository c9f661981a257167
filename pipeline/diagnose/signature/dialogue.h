#pragma once

#include <cstddef>
#include <string_view>

#include "pipeline/packet/raw_packet.h"
#include "pipeline/tcp/evidence.h"

/// How the words of one side are to be taken, by what the other side said and by where they stand. All functions are
/// thread-safe.
namespace doorslam::diagnose {

/// The client's latest words ask for the end of the session: QUIT (FTP, SMTP, POP3, NNTP, Redis) or LOGOUT (IMAP).
bool takes_leave(const tcp::SideEvidence& client) noexcept;

/// A request among what was kept of the client's words names credentials: the header fields Authorization or
/// Proxy-Authorization of HTTP, SIP and RTSP (RFC 9110, section 11), or the usual ones for keys and tokens.
bool sends_credentials(const tcp::SideEvidence& client) noexcept;

/// The client has begun a message (MAIL of SMTP; RFC 5321, section 3.3), among what was kept of its words.
bool begins_mail(const tcp::SideEvidence& client) noexcept;

/// Whether the server tells something else at this place, in which words of `protocol` are content: what stands after
/// lines of `passage` (from the start of a segment on) that are no reply lines, and what a server of web pages or
/// mailboxes says in the protocol of others. `at`: an octet of the line in question. `beginning`: the server's first
/// words. Of a protocol that has no such words (may_be_content()), nothing is.
bool is_content(packet::ByteView beginning, packet::ByteView passage, std::size_t at, std::string_view protocol);
/// Whether there are words of that protocol that is_content() can take for content, wherever they stand.
bool may_be_content(std::string_view protocol) noexcept;

}  // namespace doorslam::diagnose
