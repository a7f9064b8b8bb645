#include "metrics/metric.h"

#include <fmt/format.h>

namespace equipoise::metrics {

std::string name_missing(std::initializer_list<std::pair<const char*, bool>> is_there) {
  std::string missing;
  for (const auto& [name, there] : is_there) {
    if (!there) missing += (missing.empty() ? "" : ", ") + std::string(name);
  }
  return missing;
}

std::string name_missing(std::initializer_list<NeededRows> needed) {
  std::string missing;
  for (const auto& [name, rows, at_least] : needed) {
    if (rows.defined() && rows.dim() > 0 && rows.size(0) >= at_least) continue;
    missing += fmt::format("{}{} of {} rows at least", missing.empty() ? "" : ", ", name, at_least);
  }
  return missing;
}

std::shared_ptr<const OwnNeighbours> reference_neighbours(const MetricInput& input) {
  if (input.reference_neighbours) return input.reference_neighbours;
  return std::make_shared<OwnNeighbours>(input.reference_features);
}

nlohmann::ordered_json distance_recipe(const MetricInput& input) {
  return {{"features", input.feature_recipe},
          {"num_samples", input.sample_features.size(0)},
          {"num_reference", input.reference_features.size(0)},
          {"distance", "Euclidean, float64, exact"}};
}

}  // namespace equipoise::metrics
