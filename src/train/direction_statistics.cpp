#include "train/direction_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/check.h"

namespace equipoise::train {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int kNewtonSteps = 2;

double norm_of(const at::Tensor& vector) {
  return vector.norm().item<double>();
}

}  // namespace

double mean_resultant(double dimension, double kappa) {
  if (kappa <= 0) return 0;
  if (std::isinf(kappa)) return 1;
  if (kappa > 100 * dimension)
    return 1 - (dimension - 1) / (2 * kappa) +
           (dimension - 1) * (dimension - 3) / (8 * kappa * kappa);
  const double order = dimension / 2;
  const auto num_terms = static_cast<int64_t>(std::clamp(kappa, 50.0, 2000.0));
  const double last = order + static_cast<double>(num_terms);
  double ratio = kappa / (last + 0.5 + std::sqrt((last + 1.5) * (last + 1.5) + kappa * kappa));
  for (int64_t j = num_terms; j >= 0; --j)
    ratio = 1 / (2 * (order + static_cast<double>(j)) / kappa + ratio);
  return ratio;
}

double concentration(double dimension, double resultant) {
  // Not 1 - r^2, which loses its digits near 1.
  const double rest = (1 - resultant) * (1 + resultant);
  if (rest <= 0) return std::numeric_limits<double>::infinity();
  return resultant * (dimension - resultant * resultant) / rest;
}

double refined_concentration(double dimension, double resultant) {
  double kappa = concentration(dimension, resultant);
  for (int step = 0; step < kNewtonSteps && kappa > 0 && std::isfinite(kappa); ++step) {
    const double value = mean_resultant(dimension, kappa);
    const double slope = 1 - value * value - (dimension - 1) * value / kappa;
    kappa -= (value - resultant) / slope;
  }
  return kappa;
}

DirectionAccumulator::DirectionAccumulator(int64_t dimension)
    : direction_sum_(at::zeros({dimension}, at::kDouble)),
      gradient_sum_(at::zeros({dimension}, at::kDouble)) {}

void DirectionAccumulator::add(const at::Tensor& gradient) {
  check_shape(gradient, {direction_sum_.numel()}, "gradient");
  const at::Tensor values = gradient.to(at::kCPU, at::kDouble);
  const double norm = norm_of(values);
  if (norm == 0 || !std::isfinite(norm)) {
    ++num_skipped_;
    return;
  }
  ++num_;
  norm_sum_ += norm;
  square_sum_ += norm * norm;
  direction_sum_.add_(values / norm);  // not a fused product: opposed directions must cancel
  gradient_sum_.add_(values);
}

void DirectionAccumulator::add(const DirectionAccumulator& other) {
  num_ += other.num_;
  num_skipped_ += other.num_skipped_;
  norm_sum_ += other.norm_sum_;
  square_sum_ += other.square_sum_;
  direction_sum_.add_(other.direction_sum_);
  gradient_sum_.add_(other.gradient_sum_);
}

at::Tensor DirectionAccumulator::mean_direction() const {
  const double norm = norm_of(direction_sum_);
  return norm > 0 ? direction_sum_ / norm : at::zeros_like(direction_sum_);
}

DirectionSummary DirectionAccumulator::summary() const {
  DirectionSummary result{
      .dimension = direction_sum_.numel(), .num_gradients = num_, .num_skipped = num_skipped_};
  const auto d = static_cast<double>(result.dimension), n = static_cast<double>(num_);
  if (num_ == 0) {
    for (double* value : {&result.resultant, &result.resultant_corrected, &result.kappa,
                          &result.kappa_refined, &result.kappa_corrected, &result.kappa_null,
                          &result.gradient_signal, &result.norm_signal, &result.cosine_to_mean})
      *value = kNaN;
    return result;
  }
  // Rounding may carry a resultant of equal directions past 1.
  result.resultant = std::min(1.0, norm_of(direction_sum_) / n);
  const double square = result.resultant * result.resultant;
  result.resultant_corrected =
      num_ > 1 ? std::sqrt(std::max(0.0, (n * square - 1) / (n - 1))) : kNaN;
  result.kappa = concentration(d, result.resultant);
  result.kappa_refined = refined_concentration(d, result.resultant);
  result.kappa_corrected = concentration(d, result.resultant_corrected);
  result.kappa_null = concentration(d, 1 / std::sqrt(n));
  const double mean_norm = norm_sum_ / n, norm_of_mean = norm_of(gradient_sum_) / n;
  const auto deviation = [&](double mean) {
    return num_ > 1 ? std::sqrt(std::max(0.0, (square_sum_ - n * mean * mean) / (n - 1))) : kNaN;
  };
  result.gradient_signal = norm_of_mean / deviation(norm_of_mean);
  result.norm_signal = mean_norm / deviation(mean_norm);
  result.cosine_to_mean =
      norm_of_mean > 0
          ? at::dot(mean_direction(), gradient_sum_).item<double>() / (n * norm_of_mean)
          : kNaN;
  return result;
}

nlohmann::ordered_json DirectionSummary::to_json() const {
  return {{"d", dimension},
          {"n", num_gradients},
          {"skipped", num_skipped},
          {"rbar", resultant},
          {"rbar_corrected", resultant_corrected},
          {"kappa", kappa},
          {"kappa_refined", kappa_refined},
          {"kappa_corrected", kappa_corrected},
          {"kappa_null", kappa_null},
          {"kappa_per_dimension", kappa / static_cast<double>(dimension)},
          {"gs", gradient_signal},
          {"gns", norm_signal},
          {"cosine_to_mean", cosine_to_mean}};
}

}  // namespace equipoise::train
