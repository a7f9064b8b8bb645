// Adam and the weight average in one pass over the parameters.
#pragma once

#include <functional>

#include <torch/types.h>

namespace equipoise::train {

struct AdamConfig {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;            ///< added to the gradient (L2)
  double decoupled_weight_decay = 0;  ///< shrinks the weights themselves (AdamW)
};

/// State of the optimizer, all [size] float32.
struct AdamState {
  at::Tensor first_moment, second_moment, average;
  int64_t num_steps = 0;

  explicit AdamState(const at::Tensor& values);
};

/// Elements begin … end - 1 of a gradient. Asked once for each in a step, from several threads; the
/// answer is used before the thread asks again, and may be written to.
using GradientPart = std::function<at::Tensor(int64_t begin, int64_t end)>;

/// One step:
///
///   g <- g + weight_decay v;  m <- b1 m + (1-b1) g;  s <- b2 s + (1-b2) g^2
///   v <- (1 - rate decoupled_weight_decay) v - rate (m / (1-b1^t)) / (sqrt(s / (1-b2^t)) + eps)
///   average <- decay average + (1 - decay) v
///
/// Source: Kingma and Ba 2015 (arXiv:1412.6980), Algorithm 1; Loshchilov and Hutter 2019
/// (arXiv:1711.05101), Algorithm 2. Differs: the weight average (EMA) is updated in the same pass.
/// Non-finite gradients are replaced first (NaN by 0, +-inf by +-1e5, as EDM does); returns how many
/// there were.
/// On a processor the gradient is asked for in parts that stay in the cache, and `num_workers`
/// threads share the work; their number changes no bit. On a device it is asked for whole.
int64_t adam_step(const AdamConfig& config, double rate, double average_decay,
                  const GradientPart& gradient, const at::Tensor& values, AdamState& state,
                  int64_t num_workers = 1);

}  // namespace equipoise::train
