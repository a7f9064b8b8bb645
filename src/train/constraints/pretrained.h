// Closeness to a frozen model.
#pragma once

#include <memory>
#include <vector>

#include "train/constraints/constraint.h"

namespace equipoise::train {

///   J = E_{sigma,z} [ lambda(sigma) |D(x; sigma) - D_frozen(x; sigma)|^2 ] / elements,
///   x = sqrt(sigma^2 + sigma_data^2) z,  z ~ N(0, I)
///
/// Pure noise of the images' spread stands for noised images of the old law, of which none are
/// needed. It measures drift off the images at low noise: it is not the divergence of the two
/// models' laws. With lambda = 1/sigma^2 and sigma_data = 1 this is the squared difference of the
/// predicted noises on z, as published.
///
/// Evaluated without dropout; conditional models are asked for every class in turn. At the frozen
/// weights J and its gradient are exactly 0.
class PretrainedConstraint : public Constraint {
 public:
  struct Parts {
    std::shared_ptr<const diffusion::Denoiser> frozen;
    std::vector<int64_t> item_shape;  ///< {C,H,W} or {D}
  };
  PretrainedConstraint(Parts parts, const ConstraintContext& context);

  at::Tensor losses(const diffusion::Denoiser& denoiser, int64_t first,
                    int64_t count) const override;
  double heldout_loss(const diffusion::Denoiser& denoiser) const override;
  Floor floor() const override { return {}; }
  int64_t num_images() const override { return 0; }

 private:
  at::Tensor losses_of(const diffusion::Denoiser& denoiser, const at::Tensor& numbers,
                       uint64_t seed) const;

  Parts parts_;
  diffusion::NoiseLaw noise_;
  double sigma_data_;
  int64_t label_dim_;
  uint64_t seed_;
  at::Device device_;
};

}  // namespace equipoise::train
