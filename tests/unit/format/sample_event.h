#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "pipeline/alert/store/record.h"

namespace doorslam::format {

/// What no format may trip over: its own separators, quotes, line breaks, and text beyond ASCII.
inline const std::string kNasty = "a|b=c\\d \"q\"\tt\r\nnext \u00fc\u2192";

/// An alert, as the ECS encoder would write it, with kNasty wherever somebody else's words can stand.
inline nlohmann::json sample_alert() {
  return {
      {"@timestamp", "2026-11-22T14:39:47.241477120Z"},
      {"message", kNasty},
      {"event",
       {{"id", "31b293eaff0b30520cfda98397c70515"},
        {"kind", "alert"},
        {"action", "incident-closed"},
        {"outcome", "failure"},
        {"reason", "Because " + kNasty},
        {"severity", 73},
        {"start", "2026-11-22T14:39:32.131101000Z"},
        {"end", "2026-11-22T14:39:33.131101000Z"}}},
      {"rule", {{"id", "acl_denied"}, {"name", "Refused by client address"}, {"description", "What it is."}}},
      {"source", {{"ip", "10.61.0.12"}}},
      {"destination", {{"ip", "10.61.1.11"}, {"port", 21}}},
      {"network", {{"transport", "tcp"}, {"type", "ipv4"}, {"protocol", "ftp"}}},
      {"file", {{"path", "/var/evidence/doorslam-a=b|c.pcapng"}, {"type", "file"}}},
      {"doorslam",
       {{"cause", "acl_denied"},
        {"confidence", 0.9375},
        {"incident",
         {{"id", "95ba72dc4cf3735ad5b6b496f2edbf35"},
          {"scope", "endpoint"},
          {"refused", 7},
          {"refused_since_update", 2},
          {"first_seen", "2026-11-22T14:39:32.131101000Z"},
          {"last_seen", "2026-11-22T14:39:33.131101000Z"},
          {"clients", {{"count", 3}}}}},
        {"sample",
         {{"flow_id", "1d423c04d61604b7dbc549a4340941d0"},
          {"community_id", "1:XW3ZcLVuSEpwCS724p0mr47Z+/8="},
          {"client", {{"ip", "10.61.0.12"}, {"port", 42148}}},
          {"server", {{"ip", "10.61.1.11"}, {"port", 21}}},
          {"history", "ShAdfFa"}}},
        {"signature", {{"name", "vsftpd-tcp-wrappers"}, {"program", "vsftpd"}}},
        {"banner", kNasty},
        {"next_steps", {"First.", "Then " + kNasty}}}},
      {"observer", {{"name", "tap|1="}, {"version", "0.1.0"}}},
  };
}

inline store::Record record_of(const nlohmann::json& event, store::RecordKind kind = store::RecordKind::alert) {
  store::Record record;
  record.kind = kind;
  record.id = event["event"]["id"];
  record.time_ns = 1'795'358'387'241'477'120;
  record.cause = diagnose::Cause::acl_denied;
  record.severity = kind == store::RecordKind::alert ? event["event"]["severity"].get<int>() : 0;
  record.server.address.octets = {10, 61, 1, 11};
  record.server.port = 21;
  record.body = event.dump();
  return record;
}

inline nlohmann::json sample_flow() {
  return {
      {"event",
       {{"id", "00c46d83c69b34690a9b5adc6592cdce"},
        {"kind", "event"},
        {"action", "connection-refused"},
        {"outcome", "failure"},
        {"reason", kNasty},
        {"start", "2026-11-22T14:39:47.241477120Z"},
        {"end", "2026-11-22T14:39:49.241477120Z"}}},
      {"source", {{"ip", "2001:db8::7"}, {"port", 41569}, {"packets", 10}, {"bytes", 66}}},
      {"destination", {{"ip", "2001:db8::1"}, {"port", 21}, {"packets", 11}, {"bytes", 175}}},
      {"network", {{"transport", "tcp"}, {"type", "ipv6"}, {"community_id", "1:gp89"}}},
      {"doorslam", {{"cause", "acl_denied"}, {"confidence", 0.5}, {"stage", "greeting"}, {"conn_state", "SF"}}},
      {"observer", {{"version", "0.1.0"}}},
  };
}

}  // namespace doorslam::format
