// One density ratio at low noise levels, another at high ones.
#pragma once

#include <memory>

#include "diffusion/density_ratio.h"

namespace equipoise::reweight {

/// `below` where sigma < first_above, `above` elsewhere, item by item; each is asked for its own
/// items only. Jumps at that level are small where both are good.
class SplitRatio : public diffusion::DensityRatio {
 public:
  SplitRatio(std::shared_ptr<const diffusion::DensityRatio> below,
             std::shared_ptr<const diffusion::DensityRatio> above, double first_above)
      : below_(std::move(below)), above_(std::move(above)), first_above_(first_above) {}
  at::Tensor log_ratio(const at::Tensor& x, const at::Tensor& sigma,
                       const at::Tensor& labels = {}) const override;

 private:
  std::shared_ptr<const diffusion::DensityRatio> below_, above_;
  double first_above_;
};

}  // namespace equipoise::reweight
