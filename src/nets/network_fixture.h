// Test only: networks whose output matters.
#pragma once

#include "core/libtorch.h"
#include "core/random.h"

namespace equipoise::nets {

/// Output layers start near zero: adds normal numbers of standard deviation `scale` to all parameters.
inline void perturb(torch::nn::Module& network, double scale) {
  torch::NoGradGuard no_grad;
  uint32_t part = 100;
  for (at::Tensor& parameter : network.parameters())
    parameter.add_(random_normal(2, Purpose::kNoise, at::arange(1), parameter.sizes(), part++)[0] *
                   scale);
}

}  // namespace equipoise::nets
