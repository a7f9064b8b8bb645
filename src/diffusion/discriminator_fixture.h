// Discriminators of a few numbers, for tests.
#pragma once

#include "diffusion/vp_time.h"
#include "nets/discriminator.h"

namespace equipoise::diffusion {

/// logit = slope (a z) + offset a^2 with a = exp(-B(tau) / 2): exact for two unit Gaussians on a
/// line.
class LineDiscriminator : public nets::DiscriminatorNetwork {
 public:
  LineDiscriminator(double slope, double offset) {
    slope_ = register_parameter("slope", torch::full({}, slope));
    offset_ = register_parameter("offset", torch::full({}, offset));
  }
  at::Tensor logits(const at::Tensor& z, const at::Tensor& tau, const at::Tensor& = {}) override {
    const at::Tensor scale = (-0.5 * vp_exponent(tau)).exp();
    return (slope_ * scale * z.flatten(1).sum(1) + offset_ * scale.square()).unsqueeze(1);
  }
  double slope() const { return slope_.item<double>(); }
  double offset() const { return offset_.item<double>(); }

 private:
  at::Tensor slope_, offset_;
};

/// logit = the time it is shown.
class TimeDiscriminator : public nets::DiscriminatorNetwork {
 public:
  at::Tensor logits(const at::Tensor&, const at::Tensor& tau, const at::Tensor& = {}) override {
    return tau.unsqueeze(1);
  }
};

/// A curved logit, so that its gradient depends on z.
class CurvedDiscriminator : public nets::DiscriminatorNetwork {
 public:
  CurvedDiscriminator() { weight_ = register_parameter("weight", torch::tensor({0.7f, -0.4f})); }
  at::Tensor logits(const at::Tensor& z, const at::Tensor& tau, const at::Tensor& = {}) override {
    const at::Tensor rows = z.flatten(1);
    return ((weight_ * rows).sum(1).tanh() * (1 + tau) + 0.3 * rows.square().sum(1)).unsqueeze(1);
  }

 private:
  at::Tensor weight_;
};

}  // namespace equipoise::diffusion
