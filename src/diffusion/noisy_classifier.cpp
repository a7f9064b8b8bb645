#include "diffusion/noisy_classifier.h"

#include <utility>

#include "core/config.h"
#include "diffusion/model_file.h"
#include "diffusion/per_item.h"

namespace equipoise::diffusion {

NoisyClassifier::NoisyClassifier(std::shared_ptr<nets::DiscriminatorNetwork> network,
                                 const NoisyClassifierUse& use)
    : network_(std::move(network)), use_(use), time_map_(parse_time_map(use.time_map)) {
  for (at::Tensor& parameter : network_->parameters()) parameter.set_requires_grad(false);
}

at::Tensor NoisyClassifier::log_posterior(const at::Tensor& x, const at::Tensor& sigma) const {
  const at::Tensor input = x.to(at::kFloat);
  const at::Tensor exact_sigma = sigma.to(at::kDouble);
  const at::Tensor time = network_time(time_map_, exact_sigma).to(at::kFloat);
  return network_->logits(per_item(vp_scale(exact_sigma), input) * input, time).log_softmax(1);
}

LoadedNoisyClassifier load_label_posterior(const std::filesystem::path& path, at::Device device) {
  const LoadedDiscriminator loaded = load_noisy_classifier(path);
  NoisyClassifierUse use;
  from_json(loaded.description.extra, use, path.string());
  loaded.network->to(device);
  return {.posterior = std::make_shared<NoisyClassifier>(loaded.network, use),
          .shape = loaded.description.shape};
}

}  // namespace equipoise::diffusion
