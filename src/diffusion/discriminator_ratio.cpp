#include "diffusion/discriminator_ratio.h"

#include <cmath>
#include <utility>

#include "core/check.h"
#include "core/config.h"
#include "core/error.h"
#include "diffusion/model_file.h"
#include "diffusion/per_item.h"

namespace equipoise::diffusion {

DiscriminatorRatio::DiscriminatorRatio(std::shared_ptr<nets::DiscriminatorNetwork> network,
                                       const DiscriminatorUse& use)
    : network_(std::move(network)),
      time_map_(parse_time_map(use.time_map)),
      time_dependent_(use.time_dependent),
      prior_log_odds_(std::log(use.reference_prior / (1 - use.reference_prior))) {
  check_range(use.reference_prior, 1e-6, 1 - 1e-6, "reference_prior");
  for (at::Tensor& parameter : network_->parameters()) parameter.set_requires_grad(false);
}

at::Tensor DiscriminatorRatio::log_ratio(const at::Tensor& x, const at::Tensor& sigma,
                                         const at::Tensor& labels) const {
  const at::Tensor input = x.to(at::kFloat);
  if (!time_dependent_)
    return network_->logit(input, at::zeros_like(sigma, at::kFloat), labels) - prior_log_odds_;
  const at::Tensor exact_sigma = sigma.to(at::kDouble);
  const at::Tensor scale = vp_scale(exact_sigma);
  const at::Tensor time = network_time(time_map_, exact_sigma).to(at::kFloat);
  return network_->logit(per_item(scale, input) * input, time, labels) - prior_log_odds_;
}

LoadedRatio load_discriminator_ratio(const std::filesystem::path& path, at::Device device) {
  const LoadedDiscriminator loaded = load_discriminator(path);
  DiscriminatorUse use;
  from_json(loaded.description.extra, use, path.string());
  loaded.network->to(device);
  return {.ratio = std::make_shared<DiscriminatorRatio>(loaded.network, use),
          .shape = loaded.description.shape,
          .use = use};
}

LoadedRatio load_noisy_ratio(const std::filesystem::path& path, at::Device device) {
  LoadedRatio loaded = load_discriminator_ratio(path, device);
  if (!loaded.use.time_dependent)
    throw UsageError({.where = path.string(),
                      .what = "this discriminator was trained on clean images only",
                      .got = "time_dependent = false",
                      .expected = "one that knows every noise level",
                      .hint = "Train one with 'equipoise guide'"});
  return loaded;
}

}  // namespace equipoise::diffusion
