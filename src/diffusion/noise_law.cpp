#include "diffusion/noise_law.h"

#include <cmath>

#include "core/check.h"
#include "core/error.h"
#include "core/random.h"
#include "core/spelling.h"
#include "diffusion/per_item.h"
#include "diffusion/vp_time.h"

namespace equipoise::diffusion {
namespace {

constexpr double kVpTimeMin = 1e-5;
constexpr double kVeSigmaMin = 0.02;
constexpr double kVeSigmaMax = 100;

double draw_one(const NoiseLaw& law, RandomStream stream) {
  if (law.law == "edm") return std::exp(law.p_mean + law.p_std * stream.normal());
  if (law.law == "vp") return vp_sigma(kVpTimeMin + stream.uniform() * (1 - kVpTimeMin));
  if (law.law == "ve") return kVeSigmaMin * std::pow(kVeSigmaMax / kVeSigmaMin, stream.uniform());
  throw unknown_name("noise law", law.law, {"edm", "vp", "ve"});
}

}  // namespace

at::Tensor NoiseLaw::draw(uint64_t seed, const at::Tensor& image_numbers, Purpose purpose) const {
  at::Tensor sigma = at::empty({image_numbers.numel()}, at::kFloat);
  const auto numbers = image_numbers.accessor<int64_t, 1>();
  auto values = sigma.accessor<float, 1>();
  for (int64_t i = 0; i < sigma.numel(); ++i) {
    values[i] = static_cast<float>(
        draw_one(*this, RandomStream(seed, purpose, static_cast<uint64_t>(numbers[i]))));
  }
  return sigma;
}

at::Tensor NoiseLaw::loss_weight(const at::Tensor& sigma, double sigma_data) const {
  const at::Tensor variance = sigma * sigma;
  if (law != "edm") return 1 / variance;
  const double data_variance = sigma_data * sigma_data;
  return (variance + data_variance) / (variance * data_variance);
}

NoisyBatch make_noisy(const at::Tensor& clean, const at::Tensor& image_numbers, uint64_t seed,
                      const NoiseLaw& law, double sigma_data) {
  check_shape(image_numbers, {clean.size(0)}, "image_numbers");
  NoisyBatch batch;
  batch.clean = clean;
  batch.sigma = law.draw(seed, image_numbers).to(clean.device());
  batch.loss_weight = law.loss_weight(batch.sigma, sigma_data);
  const at::Tensor noise = random_normal(seed, Purpose::kNoise, image_numbers.to(clean.device()),
                                         clean.sizes().slice(1));
  batch.noisy = clean + per_item(batch.sigma, clean) * noise;
  return batch;
}

}  // namespace equipoise::diffusion
