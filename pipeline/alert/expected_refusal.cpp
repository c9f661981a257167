#include "pipeline/alert/expected_refusal.h"

#include <fmt/format.h>

#include <charconv>
#include <iterator>
#include <sstream>
#include <string>

#include "pipeline/base/printable.h"

namespace doorslam::alert {

namespace {

template <class Number>
std::optional<Number> number_of(std::string_view text, Number most) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number > most) return std::nullopt;
  return number;
}

std::optional<AddressPrefix> prefix_of(std::string_view text) {
  const auto prefix = parse_prefix(text);
  if (!prefix || prefix->names_a_host_within()) return std::nullopt;
  return *prefix;
}

/// What `rule` does not say yet is set from one pair of words.
Result<void> take(ExpectedRefusal& rule, const std::string& name, const std::string& value) {
  const auto set = [&](auto& field, const auto& parsed, std::string_view allowed) -> Result<void> {
    if (field) return usage_error(fmt::format("{} stands there twice", name));
    if (!parsed) return usage_error(fmt::format("{} \"{}\" is not {}", name, printable(value, 60), allowed));
    field = *parsed;
    return {};
  };
  if (name == "client") return set(rule.client, prefix_of(value), "an address, or a prefix as in 10.9.0.0/16");
  if (name == "server") return set(rule.server, prefix_of(value), "an address, or a prefix as in 10.9.0.0/16");
  if (name == "port") return set(rule.port, number_of<std::uint16_t>(value, 65'535), "a port, 0 to 65535");
  if (name != "cause") {
    return usage_error(
        fmt::format("\"{}\" is not known; allowed are client, server, port and cause", printable(name, 60)));
  }
  auto cause = diagnose::cause_named(value);
  if (cause && !diagnose::is_refusal(*cause) && *cause != diagnose::Cause::unknown) cause.reset();
  return set(rule.cause, cause, "the cause of a refusal; \"doorslam explain\" lists them");
}

}  // namespace

bool ExpectedRefusal::covers(const diagnose::DiagnosedConnection& refused) const {
  const tcp::ConnectionSummary& summary = refused.summary;
  return (!client || client->holds(summary.originator.address)) &&
         (!server || server->holds(summary.responder.address)) && (!port || *port == summary.responder.port) &&
         (!cause || *cause == refused.diagnosis.cause);
}

Result<ExpectedRefusal> parse_expected_refusal(std::string_view text) {
  std::istringstream stream{std::string(text)};
  const std::vector<std::string> words{std::istream_iterator<std::string>(stream), {}};
  if (words.empty()) return usage_error("says nothing; write for example \"client 10.9.0.0/16 cause port_closed\"");
  if (words.size() % 2 != 0) return usage_error(fmt::format("\"{}\" has no value", printable(words.back(), 60)));
  ExpectedRefusal rule;
  for (std::size_t i = 0; i < words.size(); i += 2) {
    if (auto taken = take(rule, words[i], words[i + 1]); !taken) return tl::unexpected(std::move(taken.error()));
  }
  return rule;
}

}  // namespace doorslam::alert
