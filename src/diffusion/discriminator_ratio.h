// A trained discriminator, seen as a density ratio.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "core/fields.h"
#include "diffusion/density_ratio.h"
#include "diffusion/vp_time.h"
#include "nets/discriminator.h"

namespace equipoise::diffusion {

/// What must be known of a discriminator's training to use it; stored with its checkpoint.
struct DiscriminatorUse {
  std::string time_map = "linear";
  bool time_dependent = true;
  double reference_prior = 0.5;

  void fields(FieldVisitor& f) {
    f.choice("time_map", time_map, {"linear", "cosine"},
             "time value shown to the network at a noise level");
    f("time_dependent", time_dependent, "", "false = trained on clean images only (t = 0, z = x)");
    f("reference_prior", reference_prior, "", "share of reference images it was trained on",
      {1e-6, 1 - 1e-6});
  }
};

/// l(x, sigma) = logit d(a(sigma) x, t(sigma)) - log(prior / (1 - prior)).
///
/// The network sees the VP input z = a x; differentiating through x -> a x gives the chain factor
/// a(sigma).
/// Shapes: as DensityRatio; x is cast to float32 for the network.
/// The network's parameters are frozen here: no gradient ever reaches them. Hand over a network
/// that is no longer trained.
/// Threads: log_ratio may be called from several threads at once.
/// Throws: UsageError unless 0 < reference_prior < 1.
class DiscriminatorRatio : public DensityRatio {
 public:
  explicit DiscriminatorRatio(std::shared_ptr<nets::DiscriminatorNetwork> network,
                              const DiscriminatorUse& use = {});
  at::Tensor log_ratio(const at::Tensor& x, const at::Tensor& sigma,
                       const at::Tensor& labels = {}) const override;

 private:
  std::shared_ptr<nets::DiscriminatorNetwork> network_;
  TimeMap time_map_;
  bool time_dependent_;
  double prior_log_odds_;
};

struct LoadedRatio {
  std::shared_ptr<const DiscriminatorRatio> ratio;
  nets::DataShape shape;
  DiscriminatorUse use;
};

/// The ratio a discriminator file holds, on `device`, used as it was trained.
/// Throws: DataError as load_discriminator; UsageError when the file says nothing of its training.
LoadedRatio load_discriminator_ratio(const std::filesystem::path& path,
                                     at::Device device = at::kCPU);
/// The same; throws UsageError for a ratio that knows clean images only.
LoadedRatio load_noisy_ratio(const std::filesystem::path& path, at::Device device = at::kCPU);

}  // namespace equipoise::diffusion
