#pragma once

#include "pipeline/alert/store/sqlite.h"

namespace doorslam::store {

/// Makes the tables where the file is new. Errors (data): it holds something else, or a later version's tables.
Result<void> make_schema(Database& database);
/// Errors (data): the file is no store of this version.
Result<void> check_schema(Database& database);
/// Whether it has cursor.refused, which a store has since a doorslam that knows of it wrote to it.
Result<bool> counts_refusals(Database& database);

}  // namespace doorslam::store
