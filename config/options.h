#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "config/settings.h"
#include "pipeline/alert/ecs_flow.h"
#include "pipeline/alert/evidence/evidence_folder.h"
#include "pipeline/alert/incident.h"
#include "pipeline/base/result.h"
#include "pipeline/diagnose/analysis.h"
#include "pipeline/packet/decode.h"
#include "pipeline/port/ethdev/live_options.h"
#include "pipeline/tcp/tracker_options.h"

/// The narrow options struct of each module, out of the settings. Modules know nothing of the configuration.
namespace doorslam::config {

/// For each worker.
packet::DecodeOptions decode_options(const Settings& settings);
/// For each worker.
tcp::TrackerOptions tracker_options(const Settings& settings);
diagnose::AnalysisOptions analysis_options(const Settings& settings);
/// `settings` have passed check_together().
alert::IncidentOptions incident_options(const Settings& settings);
/// `version` is the program's own.
alert::EncoderOptions encoder_options(const Settings& settings, std::string version);

/// Its folder is empty where no evidence files are wanted. `version` is the program's own.
trace_files::EvidenceFolderOptions evidence_options(const Settings& settings, std::string version);

/// The live sensor, its decoder and tracker included. Ports given on the command line are put in by the caller.
/// `settings` have passed check_together().
ethdev::LiveOptions live_options(const Settings& settings);

/// Signature files and folders in the order of reading: those that come with doorslam, then the site's.
std::vector<std::filesystem::path> signature_paths(const Settings& settings);
std::size_t worker_count(const Settings& settings);

/// What no key can be checked for alone. Errors (usage) name the keys at odds.
Result<void> check_together(const Settings& settings);

}  // namespace doorslam::config
