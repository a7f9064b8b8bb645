#include "diffusion/vp_time.h"

#include <cmath>
#include <numbers>

#include <torch/types.h>

#include "core/error.h"
#include "core/spelling.h"

namespace equipoise::diffusion {
namespace {

constexpr double kBetaStart = 0.1;
constexpr double kBetaEnd = 20;
constexpr double kBetaRise = kBetaEnd - kBetaStart;
constexpr double kTimeMin = 1e-5;
constexpr double kCosineOffset = 0.008;

// One formula for numbers and tensors: the functions below are found in std or, for tensors, in at.
using std::acos;
using std::expm1;
using std::log1p;
using std::sqrt;

template <class Value>
Value exponent_of(const Value& time) {
  return kBetaStart * time + 0.5 * kBetaRise * time * time;
}

template <class Value>
Value sigma_of(const Value& time) {
  return sqrt(expm1(exponent_of(time)));
}

// The root of the quadratic B(tau) = log(1 + sigma^2), in the form that adds instead of
// subtracting.
template <class Value>
Value time_of(const Value& sigma) {
  const Value exponent = log1p(sigma * sigma);
  return 2 * exponent / (kBetaStart + sqrt(kBetaStart * kBetaStart + 2 * kBetaRise * exponent));
}

template <class Value>
Value scale_of(const Value& sigma) {
  return 1 / sqrt(1 + sigma * sigma);
}

template <class Value>
Value cosine_time_of(const Value& sigma) {
  constexpr double kQuarterTurn = std::numbers::pi / 2;
  const double scale_at_zero = std::cos(kCosineOffset / (1 + kCosineOffset) * kQuarterTurn);
  return acos(scale_at_zero * scale_of(sigma)) * ((1 + kCosineOffset) / kQuarterTurn) -
         kCosineOffset;
}

double draw_one(RatioTimeLaw law, double uniform) {
  if (law == RatioTimeLaw::kUniformTime) return vp_sigma(kTimeMin + uniform * (1 - kTimeMin));
  const double log_low = std::log(vp_sigma(kTimeMin));
  const double log_high = std::log(vp_sigma(1));
  return std::exp(log_low + uniform * (log_high - log_low));
}

}  // namespace

double vp_exponent(double time) {
  return exponent_of(time);
}
double vp_sigma(double time) {
  return sigma_of(time);
}
double vp_time(double sigma) {
  return time_of(sigma);
}
double vp_scale(double sigma) {
  return scale_of(sigma);
}
double vp_cosine_time(double sigma) {
  return cosine_time_of(sigma);
}

at::Tensor vp_exponent(const at::Tensor& time) {
  return exponent_of(time);
}
at::Tensor vp_sigma(const at::Tensor& time) {
  return sigma_of(time);
}
at::Tensor vp_time(const at::Tensor& sigma) {
  return time_of(sigma);
}
at::Tensor vp_scale(const at::Tensor& sigma) {
  return scale_of(sigma);
}
at::Tensor vp_cosine_time(const at::Tensor& sigma) {
  return cosine_time_of(sigma);
}

TimeMap parse_time_map(const std::string& name) {
  if (name == "linear") return TimeMap::kLinear;
  if (name == "cosine") return TimeMap::kCosine;
  throw unknown_name("time map", name, {"linear", "cosine"});
}

std::string to_string(TimeMap map) {
  return map == TimeMap::kLinear ? "linear" : "cosine";
}

at::Tensor network_time(TimeMap map, const at::Tensor& sigma) {
  return map == TimeMap::kLinear ? vp_time(sigma) : vp_cosine_time(sigma);
}

RatioTimeLaw parse_ratio_time_law(const std::string& name) {
  if (name == "log_uniform_sigma") return RatioTimeLaw::kLogUniformSigma;
  if (name == "uniform_time") return RatioTimeLaw::kUniformTime;
  throw unknown_name("time law", name, {"log_uniform_sigma", "uniform_time"});
}

at::Tensor draw_ratio_sigma(RatioTimeLaw law, uint64_t seed, const at::Tensor& image_numbers,
                            Purpose purpose) {
  at::Tensor sigma = at::empty({image_numbers.numel()}, at::kDouble);
  const auto numbers = image_numbers.accessor<int64_t, 1>();
  auto values = sigma.accessor<double, 1>();
  for (int64_t i = 0; i < sigma.numel(); ++i) {
    RandomStream stream(seed, purpose, static_cast<uint64_t>(numbers[i]));
    values[i] = draw_one(law, stream.uniform());
  }
  return sigma;
}

}  // namespace equipoise::diffusion
