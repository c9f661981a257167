#include "pipeline/app/check_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/alert/json_line.h"
#include "pipeline/alert/terminal.h"
#include "pipeline/base/utf8.h"
#include "pipeline/base/wrap.h"

namespace doorslam::app {

using alert::Ink;
using host::Finding;
using host::Findings;
using host::Level;

namespace {

constexpr std::size_t kLevelColumns = 8;

Ink ink_of(Level level) {
  switch (level) {
    case Level::fine:
      return Ink::green;
    case Level::skipped:
      return Ink::dim;
    case Level::should:
      return Ink::yellow;
    case Level::must:
      return Ink::red;
  }
  return Ink::plain;
}

std::string padded(std::string_view text, std::size_t width) {
  std::string out(text);
  out.append(width - std::min(width, columns(text)), ' ');
  return out;
}

std::string summary(const Findings& findings) {
  const std::size_t musts = findings.count(Level::must);
  const std::size_t shoulds = findings.count(Level::should);
  std::string text = fmt::format("{} fine, {} skipped, {} should, {} must: ", findings.count(Level::fine),
                                 findings.count(Level::skipped), shoulds, musts);
  if (musts > 0) return text + "doorslam cannot run like this; mend each `must` (the commands are for a root shell)";
  if (shoulds > 0) return text + "it runs; under load it may lose packets or precision for each `should`";
  return text + "ready";
}

}  // namespace

std::string findings_text(const Findings& findings, bool colour) {
  const alert::Terminal terminal(colour);
  std::size_t topic_columns = 0;
  for (const Finding& finding : findings.all()) {
    topic_columns = std::max(topic_columns, columns(for_terminal(finding.topic)));
  }
  std::string out;
  for (const Finding& finding : findings.all()) {
    out += terminal.paint(ink_of(finding.level), padded(name_of(finding.level), kLevelColumns));
    // Names come from the host and the configuration; none of them may steer the terminal.
    out += padded(for_terminal(finding.topic), topic_columns) + "  " + for_terminal(finding.text) + "\n";
    if (finding.command.empty()) continue;
    out += padded("", kLevelColumns) + padded("", topic_columns) + "  ";
    out += terminal.paint(Ink::bold, "mend: " + for_terminal(finding.command)) + "\n";
  }
  return out + "\n" + summary(findings) + "\n";
}

std::string findings_json(const Findings& findings, const std::string& version) {
  alert::JsonLine json;
  json.begin();
  json.text("version", version);
  json.number("fine", findings.count(Level::fine));
  json.number("skipped", findings.count(Level::skipped));
  json.number("should", findings.count(Level::should));
  json.number("must", findings.count(Level::must));
  json.open_list("findings");
  for (const Finding& finding : findings.all()) {
    json.open();
    json.word("level", name_of(finding.level));
    json.text("topic", finding.topic);
    json.text("text", finding.text);
    if (!finding.command.empty()) json.text("command", finding.command);
    json.close();
  }
  json.close_list();
  return std::string(json.end());
}

}  // namespace doorslam::app
