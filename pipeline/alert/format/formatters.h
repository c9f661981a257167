#pragma once

#include <memory>

#include "pipeline/alert/format/formatter.h"

/// One maker a format; Formatter::make() chooses.
namespace doorslam::format {

std::unique_ptr<Formatter> make_ocsf_formatter();
std::unique_ptr<Formatter> make_eve_formatter();
std::unique_ptr<Formatter> make_cef_formatter();
std::unique_ptr<Formatter> make_leef_formatter();
std::unique_ptr<Formatter> make_clickhouse_formatter();

}  // namespace doorslam::format
