// The tables that the HTML report and the Markdown report share.
#pragma once

#include <string>
#include <vector>

#include "report/results.h"
#include "report/table.h"

namespace equipoise::report {

/// What the run found, worst first, otherwise in the order of the results.
struct Finding {
  std::string severity;  ///< "high", "medium" or "info"
  std::string subject;
  std::string text;
  std::string limits;  ///< what the finding does not say; may be empty
};
std::vector<Finding> sorted_findings(const Json& results);

/// One row a method: how far from the target, the evaluation images and the reference images; then
/// what real images score.
Table methods_table(const Json& results);
/// One row a method: images, speed and time of training and sampling.
Table costs_table(const Json& results);
/// Counts and shares of every class in every set, and the target.
Table composition_table(const Json& results);
/// Shares of every class in every method's samples, as classified and corrected, and the target.
Table shares_table(const Json& results);
Table stages_table(const Json& results);
/// Name and value of everything that identifies the run: versions, machine, hashes.
Table identity_table(const Json& results);

}  // namespace equipoise::report
