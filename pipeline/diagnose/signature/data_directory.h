#pragma once

#include <filesystem>

/// Where the program's own data lies.
namespace doorslam::diagnose {

/// A program in the build tree uses the build tree's data and the sources' signatures, whatever is installed. Any other
/// uses the data folder beside its own (also below a DESTDIR, or moved with its tree), else that of the installation it
/// was configured for.
struct DataPlaces {
  std::filesystem::path signatures;  ///< folder of *.yaml files
  std::filesystem::path cache;       ///< folder of the compiled signatures
};
DataPlaces data_places();

/// The same for a program at `program` (the path that the kernel knows it by); for tests.
DataPlaces data_places_of(const std::filesystem::path& program);

}  // namespace doorslam::diagnose
