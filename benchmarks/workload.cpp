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

void roughen(torch::nn::Module& network) {
  const at::NoGradGuard no_grad;
  at::manual_seed(0);
  for (at::Tensor& parameter : network.parameters())
    parameter.add_(at::randn_like(parameter), /*alpha=*/0.02);
}

std::shared_ptr<const data::ImageSet> random_images(const nets::DataShape& shape, int64_t num) {
  auto set = std::make_shared<data::ImageSet>();
  set->images =
      at::randint(256, {num, shape.channels, shape.resolution, shape.resolution}, at::kByte);
  return set;
}

}  // namespace equipoise::benchmarks
