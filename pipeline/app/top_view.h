#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace doorslam::app {

/// What a running doorslam answered at one time: the objects of the commands of these names below /doorslam/.
struct TopSample {
  nlohmann::json stats = nlohmann::json::object();
  nlohmann::json workers = nlohmann::json::object();
  nlohmann::json ports = nlohmann::json::object();
  nlohmann::json servers = nlohmann::json::object();
  nlohmann::json alerts = nlohmann::json::object();
};

enum class TopTone { plain, heading, good, warning, bad };

struct TopLine {
  std::string text;  ///< ASCII
  TopTone tone = TopTone::plain;
};

/// The live view of two samples, of which the older gives the rates. Never more than `rows` lines of `columns`
/// characters: what matters most comes first and keeps its place, and lists are cut. 0 rows: all there is.
std::vector<TopLine> top_view(const TopSample& before, const TopSample& now, std::size_t columns, std::size_t rows);

}  // namespace doorslam::app
