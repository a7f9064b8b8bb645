#include "workload.h"

#include <fstream>

namespace equipoise::benchmarks {

diffusion::ModelConfig read_workload(const std::string& name) {
  std::ifstream file(EQUIPOISE_WORKLOADS);
  const auto workload = nlohmann::json::parse(file).at(name);
  return {.shape = {.resolution = workload.at("shape").at("resolution"),
                    .channels = workload.at("shape").at("channels")},
          .network = workload.at("network")};
}

std::shared_ptr<const data::ImageSet> random_images(const nets::DataShape& shape, int64_t num) {
  auto set = std::make_shared<data::ImageSet>();
  set->images =
      at::randint(256, {num, shape.channels, shape.resolution, shape.resolution}, at::kByte);
  return set;
}

}  // namespace equipoise::benchmarks
