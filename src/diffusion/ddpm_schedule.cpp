#include "diffusion/ddpm_schedule.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>
#include <vector>

#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"
#include "diffusion/per_item.h"

namespace equipoise::diffusion {
namespace {

constexpr double kLargestBeta = 0.999, kCosineShift = 0.008;
const std::string kLinearPrefix = "ddpm_linear_", kCosinePrefix = "ddpm_cosine_";

double cosine_alpha_bar(double u) {
  const double cosine = std::cos((u + kCosineShift) / (1 + kCosineShift) * 0.5 * std::numbers::pi);
  return cosine * cosine;
}

double beta_at(const DdpmSchedule& schedule, int64_t t) {
  const auto step = static_cast<double>(t), num_steps = static_cast<double>(schedule.num_steps);
  if (schedule.law == BetaLaw::kLinear) {
    const double first = 0.1 / num_steps, last = 20 / num_steps;
    return first + (last - first) * step / (num_steps - 1);
  }
  const double kept = cosine_alpha_bar((step + 1) / num_steps) / cosine_alpha_bar(step / num_steps);
  return std::min(1 - kept, kLargestBeta);
}

std::optional<int64_t> whole_number(const std::string& text) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

DdpmChain chain_of(const DdpmSchedule& schedule, const at::Tensor& steps) {
  const at::Tensor alpha_bar =
      at::cumprod(1 - ddpm_betas(schedule), /*dim=*/0).index_select(0, steps);
  const at::Tensor previous =
      at::cat({at::ones({1}, at::kDouble), alpha_bar.slice(0, 0, alpha_bar.size(0) - 1)});
  return {steps, alpha_bar, previous, 1 - alpha_bar / previous};
}

// Where beta~ is 0 its logarithm is not a number.
at::Tensor log_posterior_variance(const DdpmChain& chain) {
  const at::Tensor variance = chain.beta * (1 - chain.previous_alpha_bar) / (1 - chain.alpha_bar);
  return at::cat({variance.slice(0, 1, 2), variance.slice(0, 1)}).log();
}

// table[index], shaped to multiply `like`.
at::Tensor row_values(const at::Tensor& table, const at::Tensor& index, const at::Tensor& like) {
  return per_item(table.to(index.device()).index_select(0, index), like);
}

}  // namespace

std::string to_string(const DdpmSchedule& schedule) {
  const bool is_linear = schedule.law == BetaLaw::kLinear;
  return (is_linear ? kLinearPrefix : kCosinePrefix) + std::to_string(schedule.num_steps);
}

std::optional<DdpmSchedule> parse_ddpm_schedule(const std::string& name) {
  const bool is_linear = name.starts_with(kLinearPrefix);
  if (!is_linear && !name.starts_with(kCosinePrefix)) return std::nullopt;
  const auto num_steps = whole_number(name.substr(kLinearPrefix.size()));
  if (!num_steps) return std::nullopt;
  return DdpmSchedule{is_linear ? BetaLaw::kLinear : BetaLaw::kCosine, *num_steps};
}

at::Tensor ddpm_betas(const DdpmSchedule& schedule) {
  const bool is_linear = schedule.law == BetaLaw::kLinear;
  check_range(static_cast<double>(schedule.num_steps), is_linear ? 21 : 2, 1e6,
              "steps of the noise schedule");
  std::vector<double> betas;
  for (int64_t t = 0; t < schedule.num_steps; ++t) betas.push_back(beta_at(schedule, t));
  return at::tensor(betas, at::kDouble);
}

at::Tensor respaced_steps(int64_t num_steps, int64_t num_kept) {
  check_range(static_cast<double>(num_kept), 2, static_cast<double>(num_steps),
              "steps kept of the noise schedule");
  std::vector<int64_t> steps;
  for (int64_t k = 0; k < num_kept; ++k) {
    const int64_t gaps = num_kept - 1, whole = k * (num_steps - 1) / gaps,
                  twice_rest = 2 * (k * (num_steps - 1) % gaps);
    const bool rounds_up = twice_rest > gaps || (twice_rest == gaps && whole % 2 == 1);
    steps.push_back(rounds_up ? whole + 1 : whole);
  }
  return at::tensor(steps, at::kLong);
}

at::Tensor DdpmChain::sigma() const {
  return ((1 - alpha_bar) / alpha_bar).sqrt();
}

DdpmChain ddpm_chain(const DdpmSchedule& schedule) {
  return chain_of(schedule, at::arange(schedule.num_steps));
}

DdpmChain ddpm_chain(const DdpmSchedule& schedule, int64_t num_kept) {
  return chain_of(schedule, respaced_steps(schedule.num_steps, num_kept));
}

at::Tensor ddpm_posterior_mean(const DdpmChain& chain, const at::Tensor& index,
                               const at::Tensor& clean, const at::Tensor& noisy) {
  const at::Tensor noise = 1 - chain.alpha_bar;
  const at::Tensor of_clean = chain.previous_alpha_bar.sqrt() * chain.beta / noise;
  const at::Tensor of_noisy = (1 - chain.previous_alpha_bar) * (1 - chain.beta).sqrt() / noise;
  return row_values(of_clean, index, clean) * clean + row_values(of_noisy, index, noisy) * noisy;
}

at::Tensor ddpm_log_variance(const DdpmChain& chain, FixedVariance variance) {
  const at::Tensor small = log_posterior_variance(chain);
  if (variance == FixedVariance::kSmall) return small;
  return at::cat({small.slice(0, 0, 1), chain.beta.slice(0, 1).log()});
}

at::Tensor ddpm_learned_log_variance(const DdpmChain& chain, const at::Tensor& index,
                                     const at::Tensor& share) {
  return share * row_values(chain.beta.log(), index, share) +
         (1 - share) * row_values(log_posterior_variance(chain), index, share);
}

}  // namespace equipoise::diffusion
