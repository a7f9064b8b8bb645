// "Did you mean": the nearest of a list of known names.
#pragma once

#include <string>
#include <vector>

#include "core/error.h"

namespace equipoise {

/// The known name with the least edit distance to `name`, or "" when none is near (more than half
/// its letters off).
std::string nearest_name(const std::string& name, const std::vector<std::string>& known);
/// UsageError for an unknown name of a `family` ("objective"): lists the known ones and offers the
/// nearest.
UsageError unknown_name(const std::string& family, const std::string& name,
                        const std::vector<std::string>& known);

}  // namespace equipoise
