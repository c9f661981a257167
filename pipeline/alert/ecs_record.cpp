#include "pipeline/alert/ecs_record.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <utility>

#include "flowtable/mix.h"

namespace doorslam::alert {

namespace {

/// The version whose field names and values the records keep to.
constexpr std::string_view kEcsVersion = "8.17.0";

/// A constant piece of every record, made once.
std::string observer_json(const EncoderOptions& options) {
  JsonLine line;
  line.begin();
  if (!options.observer_name.empty()) line.text("name", options.observer_name);
  line.word("product", "doorslam");
  line.word("type", "sensor");
  line.word("vendor", "doorslam");
  if (!options.version.empty()) line.text("version", options.version);
  std::string observer(line.end());
  observer.pop_back();
  line.begin();
  line.word("version", kEcsVersion);
  std::string ecs(line.end());
  ecs.pop_back();
  return observer.append(",\"ecs\":").append(ecs);
}

}  // namespace

EcsRecord::EcsRecord(const EncoderOptions& options)
    : banner_(options.banner), community_id_(options.community_id_seed), observer_(observer_json(options)) {}

void EcsRecord::texts(std::string_view key, const std::vector<std::string>& values) {
  open_list(key);
  for (const std::string& value : values) text_item(value);
  close_list();
}

void EcsRecord::add_network(const flowtable::Endpoint& source, const flowtable::Endpoint& destination,
                            std::uint16_t vlan) {
  word("transport", "tcp");
  word("type", source.address.version == flowtable::IpVersion::v6 ? "ipv6" : "ipv4");
  const std::string_view id = community_id_.of(source, destination);
  if (!id.empty()) word("community_id", id);
  if (vlan != 0) {
    open("vlan");
    word("id", std::to_string(vlan));
    close();
  }
}

void EcsRecord::add_hypotheses(const std::vector<diagnose::Hypothesis>& hypotheses) {
  open_list("hypotheses");
  for (const diagnose::Hypothesis& hypothesis : hypotheses) {
    open();
    word("cause", name_of(hypothesis.cause));
    ratio("probability", hypothesis.probability);
    texts("for", hypothesis.evidence_for);
    texts("against", hypothesis.evidence_against);
    close();
  }
  close_list();
}

void EcsRecord::add_contributions(const std::vector<diagnose::Contribution>& contributions) {
  open_list("contributions");
  for (const diagnose::Contribution& contribution : contributions) {
    open();
    word("evidence", contribution.evidence);
    word("cause", name_of(contribution.cause));
    json("weight", fmt::format("{:.4f}", contribution.weight));
    json("strength", fmt::format("{:.4f}", contribution.strength));
    close();
  }
  close_list();
}

void EcsRecord::add_findings(const diagnose::Diagnosis& diagnosis) {
  if (diagnosis.signature) {
    open("signature");
    text("name", diagnosis.signature->name);
    if (!diagnosis.signature->program.empty()) text("program", diagnosis.signature->program);
    text("protocol", diagnosis.signature->protocol);
    if (banner_ && !diagnosis.signature->words.empty()) text("words", diagnosis.signature->words);
    close();
  }
  if (banner_ && !diagnosis.banner.empty()) text("banner", diagnosis.banner);
  if (!diagnosis.caveats.empty()) texts("caveats", diagnosis.caveats);
}

StableId& StableId::mix(std::uint64_t value) noexcept {
  high_ = flowtable::folded_product(high_ ^ value, 0x9e3779b97f4a7c15);
  low_ = flowtable::folded_product(low_ ^ std::rotl(value, 32) ^ high_, 0xd6e8feb86659fd93);
  return *this;
}

StableId& StableId::mix(const flowtable::IpAddress& address) noexcept {
  std::uint64_t words[2];
  std::memcpy(words, address.octets.data(), sizeof(words));
  return mix(words[0] ^ static_cast<std::uint64_t>(address.version)).mix(words[1]);
}

StableId& StableId::mix(const flowtable::Endpoint& endpoint) noexcept {
  return mix(endpoint.address).mix(endpoint.port);
}

std::string_view StableId::text() noexcept {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (std::size_t i = 0; i < 16; ++i) {
    text_[i] = kHex[high_ >> (60 - 4 * i) & 15];
    text_[16 + i] = kHex[low_ >> (60 - 4 * i) & 15];
  }
  return {text_.data(), text_.size()};
}

StableId flow_id(const tcp::ConnectionSummary& summary) noexcept {
  StableId id;
  id.mix(summary.originator).mix(summary.responder).mix(static_cast<std::uint64_t>(summary.start_ns)).mix(summary.id);
  return id;
}

}  // namespace doorslam::alert
