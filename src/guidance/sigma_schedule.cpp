#include "guidance/sigma_schedule.h"

#include <charconv>
#include <cmath>
#include <sstream>

#include "core/error.h"

namespace equipoise::guidance {
namespace {

double parse_number(const std::string& text, bool& is_good) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  is_good = is_good && error == std::errc() && end == text.data() + text.size();
  return value;
}

}  // namespace

SigmaSchedule::SigmaSchedule(const ScheduleConfig& config, const std::string& where)
    : sigma_min_(config.sigma_min), sigma_max_(config.sigma_max) {
  std::istringstream points(config.schedule);
  for (std::string point; std::getline(points, point, '/');) {
    const size_t colon = point.find(':');
    bool is_good = colon != std::string::npos;
    const double sigma = is_good ? parse_number(point.substr(0, colon), is_good) : 0;
    const double factor = is_good ? parse_number(point.substr(colon + 1), is_good) : 0;
    is_good = is_good && sigma > 0 && std::isfinite(factor) &&
              (log_sigmas_.empty() || std::log(sigma) > log_sigmas_.back());
    if (!is_good)
      throw UsageError({.where = where + ".schedule",
                        .what = "not a point of a schedule",
                        .got = "'" + point + "'",
                        .expected = "sigma:factor, sigma above 0 and rising",
                        .hint = "schedule=0.05:0/1:1/80:1"});
    log_sigmas_.push_back(std::log(sigma));
    factors_.push_back(factor);
  }
}

at::Tensor SigmaSchedule::factor(const at::Tensor& sigma) const {
  const at::Tensor is_inside = (sigma >= sigma_min_).logical_and(sigma <= sigma_max_);
  if (factors_.empty()) return is_inside.to(at::kDouble);
  const at::Tensor position = sigma.to(at::kDouble).log();
  at::Tensor factor = at::full_like(position, factors_.front());
  for (size_t i = 1; i < factors_.size(); ++i) {
    const double width = log_sigmas_[i] - log_sigmas_[i - 1];
    const at::Tensor along = ((position - log_sigmas_[i - 1]) / width).clamp(0, 1);
    factor = factor + along * (factors_[i] - factors_[i - 1]);
  }
  return factor * is_inside;
}

}  // namespace equipoise::guidance
