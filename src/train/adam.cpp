#include "train/adam.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/libtorch.h"
#include "core/parallel.h"
#include "nets/kernels/simd.h"

namespace equipoise::train {
namespace {

constexpr float kReplacementOfInfinity = 1e5f;

struct Constants {
  float beta1, beta2, rate, root_correction, epsilon, weight_decay, kept, decay;
};

EQUIPOISE_SIMD void adam_pass(const Constants& c, int64_t size, const float* __restrict gradient,
                              float* __restrict values, float* __restrict first,
                              float* __restrict second, float* __restrict average) {
  for (int64_t i = 0; i < size; ++i) {
    const float g = gradient[i] + c.weight_decay * values[i];
    first[i] = c.beta1 * first[i] + (1 - c.beta1) * g;
    second[i] = c.beta2 * second[i] + (1 - c.beta2) * g * g;
    values[i] = c.kept * values[i] -
                c.rate * first[i] / (std::sqrt(second[i]) * c.root_correction + c.epsilon);
    average[i] = c.decay * average[i] + (1 - c.decay) * values[i];
  }
}

// x - x is 0 for finite x only.
EQUIPOISE_SIMD int64_t count_not_finite(int64_t size, const float* values) {
  int64_t count = 0;
  for (int64_t i = 0; i < size; ++i) count += values[i] - values[i] != 0.0f;
  return count;
}

void mend(const at::Tensor& gradient) {
  gradient.nan_to_num_(0.0, kReplacementOfInfinity, -kReplacementOfInfinity);
}

/// Elements begin … end - 1 of the flat vectors; returns how many gradients were mended. Goes in
/// pieces that stay in the cache from when they are made until they are used.
int64_t cpu_part(const Constants& constants, int64_t begin, int64_t end,
                 const GradientPart& gradient_part, const at::Tensor& values, AdamState& state) {
  constexpr int64_t kPiece = 64 * 1024;
  int64_t num_bad = 0;
  for (; begin < end; begin += kPiece) {
    const int64_t size = std::min(kPiece, end - begin);
    const at::Tensor gradient = gradient_part(begin, begin + size);
    const int64_t num_bad_here = count_not_finite(size, gradient.data_ptr<float>());
    if (num_bad_here > 0) mend(gradient);
    num_bad += num_bad_here;
    adam_pass(constants, size, gradient.data_ptr<float>(), values.data_ptr<float>() + begin,
              state.first_moment.data_ptr<float>() + begin,
              state.second_moment.data_ptr<float>() + begin,
              state.average.data_ptr<float>() + begin);
  }
  return num_bad;
}

}  // namespace

AdamState::AdamState(const at::Tensor& values)
    : first_moment(at::zeros_like(values)),
      second_moment(at::zeros_like(values)),
      average(values.clone()) {}

int64_t adam_step(const AdamConfig& config, double rate, double average_decay,
                  const GradientPart& gradient_part, const at::Tensor& values, AdamState& state,
                  int64_t num_workers) {
  torch::NoGradGuard no_grad;
  ++state.num_steps;
  const double correction1 = 1 - std::pow(config.beta1, state.num_steps);
  const double correction2 = 1 - std::pow(config.beta2, state.num_steps);
  const Constants constants{.beta1 = static_cast<float>(config.beta1),
                            .beta2 = static_cast<float>(config.beta2),
                            .rate = static_cast<float>(rate / correction1),
                            .root_correction = static_cast<float>(1 / std::sqrt(correction2)),
                            .epsilon = static_cast<float>(config.epsilon),
                            .weight_decay = static_cast<float>(config.weight_decay),
                            .kept = static_cast<float>(1 - rate * config.decoupled_weight_decay),
                            .decay = static_cast<float>(average_decay)};
  if (values.device().is_cpu()) {
    std::vector<int64_t> num_bad(static_cast<size_t>(num_workers));
    run_workers(num_workers, [&](int64_t worker) {
      const int64_t size = values.numel();
      num_bad[static_cast<size_t>(worker)] =
          cpu_part(constants, size * worker / num_workers, size * (worker + 1) / num_workers,
                   gradient_part, values, state);
    });
    return std::accumulate(num_bad.begin(), num_bad.end(), int64_t{0});
  }
  const at::Tensor gradient = gradient_part(0, values.numel());
  const int64_t num_bad = gradient.numel() - at::isfinite(gradient).sum().item<int64_t>();
  if (num_bad > 0) mend(gradient);
  const at::Tensor g = gradient + constants.weight_decay * values;
  state.first_moment.mul_(constants.beta1).add_(g, 1 - constants.beta1);
  state.second_moment.mul_(constants.beta2).addcmul_(g, g, 1 - constants.beta2);
  values.mul_(constants.kept);
  values.addcdiv_(state.first_moment,
                  state.second_moment.sqrt() * constants.root_correction + constants.epsilon,
                  -constants.rate);
  state.average.mul_(constants.decay).add_(values, 1 - constants.decay);
  return num_bad;
}

}  // namespace equipoise::train
