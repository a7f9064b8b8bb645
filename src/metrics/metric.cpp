#include "metrics/metric.h"

namespace equipoise::metrics {

std::string name_missing(std::initializer_list<std::pair<const char*, bool>> is_there) {
  std::string missing;
  for (const auto& [name, there] : is_there) {
    if (!there) missing += (missing.empty() ? "" : ", ") + std::string(name);
  }
  return missing;
}

}  // namespace equipoise::metrics
