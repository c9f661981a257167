#include "pipeline/diagnose/guide/guide.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "pipeline/base/wrap.h"
#include "pipeline/diagnose/guide/settings.h"

namespace doorslam::diagnose {

namespace {

constexpr std::size_t kPageWidth = 100;
constexpr std::size_t kMarkdownWidth = 120;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

/// True where the blank-separated `list` has `word`.
bool lists(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const std::string_view item = list.substr(0, list.find(' '));
    if (item == word) return true;
    list.remove_prefix(std::min(list.size(), item.size() + 1));
  }
  return false;
}

/// Signatures name a program's parts and versions ("Postfix smtpd", "OpenSSH 9.8"): the table's word is enough. MariaDB
/// and Valkey have the settings of what they were forked from.
bool is_program(const Setting& setting, const std::string& program) {
  if (program.find(setting.program) != std::string::npos) return true;
  return (setting.program == "mysql" && program.find("mariadb") != std::string::npos) ||
         (setting.program == "redis" && program.find("valkey") != std::string::npos) ||
         (setting.program == "postgresql" && program.starts_with("postgres")) ||
         (setting.program == "mongodb" && program.starts_with("mongo")) ||
         (setting.program == "openldap" && program == "slapd") || (setting.program == "openssh" && program == "sshd") ||
         (setting.program == "apache" && program == "httpd");
}

void add_settings(std::vector<NextStep>& steps, Cause cause, auto&& wanted) {
  for (const Setting& setting : settings()) {
    if (setting.causes.has(cause) && wanted(setting)) {
      steps.push_back({std::string(setting.program), std::string(setting.text)});
    }
  }
}

/// Text that Markdown shows as it is: what would be a tag or an emphasis outside of `code` is escaped.
std::string markdown(std::string_view text) {
  std::string out;
  bool in_code = false;
  for (const char c : text) {
    if (c == '`') in_code = !in_code;
    if (!in_code && (c == '<' || c == '*')) out += '\\';
    out += c;
  }
  return out;
}

void add_bullet(std::string& page, std::string_view text) { page += wrap(text, kMarkdownWidth, 2, "-"); }

/// One cause as a section of docs/causes.md.
void add_markdown(std::string& page, Cause cause) {
  const GuideEntry& entry = guide_entry(cause);
  page.append("\n## ").append(name_of(cause)).append(": ").append(entry.title).append("\n\n");
  page += wrap(markdown(entry.sentence), kMarkdownWidth, 0);
  page += '\n' + wrap(markdown(entry.definition), kMarkdownWidth, 0);
  if (!entry.ladder.empty()) page.append("\n```\n").append(entry.ladder).append("```\n");
  if (!entry.lookalikes.empty()) page += "\nWhat looks alike, and how to tell:\n\n";
  for (const Lookalike& other : entry.lookalikes) {
    add_bullet(page, '`' + std::string(name_of(other.cause)) + "`: " + markdown(other.told_apart));
  }
  if (!entry.checks.empty()) page += "\nWhat to check:\n\n";
  for (const std::string_view check : entry.checks) add_bullet(page, markdown(check));
  for (const std::string_view check : entry.late_checks) add_bullet(page, markdown(check));
  std::vector<NextStep> steps;
  add_settings(steps, cause, [](const Setting&) { return true; });
  if (!steps.empty()) page += "\nSettings, by program:\n\n";
  for (const NextStep& step : steps) add_bullet(page, "**" + step.program + "**: " + markdown(step.text));
  page += '\n' + wrap("Whom to ask: " + markdown(entry.ask) + '.', kMarkdownWidth, 0);
  if (entry.references.empty()) return;
  std::string references;
  for (const std::string_view reference : entry.references) {
    references.append(references.empty() ? "References: " : "; ").append(reference);
  }
  page += '\n' + wrap(markdown(references) + '.', kMarkdownWidth, 0);
}

void add_section(std::string& page, std::string_view heading) { page.append("\n").append(heading).append("\n"); }

void add_settings_section(std::string& page, Cause cause) {
  std::vector<NextStep> steps;
  add_settings(steps, cause, [](const Setting&) { return true; });
  if (steps.empty()) return;
  add_section(page, "SETTINGS, BY PROGRAM");
  for (const NextStep& step : steps) page += wrap(step.text, kPageWidth, 16, "  " + step.program);
}

}  // namespace

std::vector<NextStep> next_steps(Cause cause, std::string_view program, std::string_view protocol, tcp::Stage stage) {
  std::vector<NextStep> steps;
  const std::string program_word = lower(program);
  if (!program_word.empty()) {
    add_settings(steps, cause, [&](const Setting& setting) { return is_program(setting, program_word); });
  }
  if (steps.empty() && !protocol.empty()) {
    const std::string protocol_word = lower(protocol);
    add_settings(steps, cause, [&](const Setting& setting) { return lists(setting.protocols, protocol_word); });
  }
  const bool widen = program_word.empty() || steps.empty();
  for (const std::string_view check : guide_entry(cause).checks) steps.push_back({{}, std::string(check)});
  if (stage != tcp::Stage::syn && stage != tcp::Stage::handshake) {
    for (const std::string_view check : guide_entry(cause).late_checks) steps.push_back({{}, std::string(check)});
  }
  if (widen) add_settings(steps, cause, [](const Setting& setting) { return setting.protocols == "any"; });
  return steps;
}

std::string_view usual_protocol(std::uint16_t port) noexcept {
  struct Assignment {
    std::uint16_t port;
    std::string_view protocol;
  };
  static constexpr auto kAssignments = std::to_array<Assignment>({
      {21, "ftp"},          {22, "ssh"},        {25, "smtp"},   {53, "dns"},         {80, "http"},    {110, "pop3"},
      {119, "nntp"},        {143, "imap"},      {389, "ldap"},  {443, "https"},      {445, "smb"},    {465, "smtp"},
      {587, "smtp"},        {636, "ldap"},      {873, "rsync"}, {990, "ftp"},        {993, "imap"},   {995, "pop3"},
      {1433, "tds"},        {1521, "tns"},      {1883, "mqtt"}, {2181, "zookeeper"}, {3128, "http"},  {3306, "mysql"},
      {5432, "postgresql"}, {5671, "amqp"},     {5672, "amqp"}, {5900, "vnc"},       {6379, "redis"}, {6667, "irc"},
      {8080, "http"},       {8443, "https"},    {8883, "mqtt"}, {9042, "cql"},       {9092, "kafka"}, {9200, "http"},
      {11211, "memcached"}, {27017, "mongodb"},
  });
  const auto found = std::find_if(kAssignments.begin(), kAssignments.end(),
                                  [&](const Assignment& assignment) { return assignment.port == port; });
  return found == kAssignments.end() ? std::string_view{} : found->protocol;
}

std::string explain(Cause cause) {
  const GuideEntry& entry = guide_entry(cause);
  std::string page = std::string(name_of(cause)) + ": " + std::string(entry.title) + "\n\n";
  page += wrap(entry.sentence, kPageWidth, 0);
  page += '\n' + wrap(entry.definition, kPageWidth, 0);
  if (!entry.ladder.empty()) {
    add_section(page, "ON THE WIRE (an example)");
    for (std::string_view rest = entry.ladder; !rest.empty();) {
      const std::size_t end = rest.find('\n') + 1;
      page.append("  ").append(rest.substr(0, end));
      rest.remove_prefix(end);
    }
  }
  if (!entry.lookalikes.empty()) {
    add_section(page, "WHAT LOOKS ALIKE, AND HOW TO TELL");
    for (const Lookalike& other : entry.lookalikes) {
      page += wrap(other.told_apart, kPageWidth, 26, "  " + std::string(name_of(other.cause)));
    }
  }
  if (!entry.checks.empty()) {
    add_section(page, "WHAT TO CHECK");
    for (const std::string_view check : entry.checks) page += wrap(check, kPageWidth, 4, "  -");
    for (const std::string_view check : entry.late_checks) page += wrap(check, kPageWidth, 4, "  -");
  }
  add_settings_section(page, cause);
  add_section(page, "WHOM TO ASK");
  page += wrap(entry.ask, kPageWidth, 2);
  if (!entry.references.empty()) {
    add_section(page, "REFERENCES");
    for (const std::string_view reference : entry.references) page += wrap(reference, kPageWidth, 2);
  }
  return page;
}

std::string explain_in_markdown() {
  std::string page =
      "# Causes\n\n"
      "What `doorslam.cause` says of a connection. `doorslam explain CAUSE` prints one of these sections, `doorslam "
      "explain\n"
      "--markdown` this page; a test keeps the two alike.\n";
  for (std::size_t i = 0; i < kCauseCount; ++i) add_markdown(page, static_cast<Cause>(i));
  return page;
}

}  // namespace doorslam::diagnose
