#include "diffusion/guided_denoiser.h"

#include <limits>
#include <tuple>

#include <fmt/format.h>

#include "core/error.h"
#include "diffusion/fixed_chunks.h"
#include "diffusion/learned_variance.h"

namespace equipoise::diffusion {
namespace {

Visit pick(const Visit& visit, const at::Tensor& rows) {
  return {.x = pick_rows(visit.x, rows),
          .sigma = pick_rows(visit.sigma, rows),
          .level = pick_rows(visit.level, rows),
          .seeds = pick_rows(visit.seeds, rows),
          .conditions = {.class_labels = pick_rows(visit.conditions.class_labels, rows),
                         .augment_labels = pick_rows(visit.conditions.augment_labels, rows)},
          .is_correction = visit.is_correction};
}

void check_shift(const Guidance& term, const Visit& visit, const at::Tensor& shift) {
  const at::Tensor is_finite = at::isfinite(shift).flatten(1).all(1);
  if (is_finite.all().item<bool>()) return;
  const int64_t row = is_finite.logical_not().nonzero()[0].item<int64_t>();
  throw NumericError(
      {.where = "guidance " + term.name(),
       .what = "the term is not finite",
       .got = fmt::format("a value that is not a number for seed {} at sigma {:.6g}",
                          visit.seeds[row].item<int64_t>(), visit.sigma[row].item<double>()),
       .expected = "finite numbers",
       .hint = "Lower its weight, or guide within a narrower range of noise levels"});
}

}  // namespace

Estimate GuidedDenoiser::estimate_chunk(const Visit& visit) const {
  Estimate estimate;
  const auto* learned = dynamic_cast<const LearnedVarianceDenoiser*>(&denoiser_);
  if (learned != nullptr) {
    std::tie(estimate.denoised, estimate.variance_share) =
        learned->denoise_with_variance(visit.x, visit.sigma, visit.conditions);
    estimate.variance_share = estimate.variance_share.to(at::kDouble);
  } else {
    estimate.denoised = denoiser_.denoise(visit.x, visit.sigma, visit.conditions);
  }
  estimate.denoised = estimate.denoised.to(at::kDouble);
  const at::Tensor unguided = estimate.denoised;
  for (const auto& term : terms_) {
    const at::Tensor shift = term->shift(visit, unguided, denoiser_);
    if (!shift.defined()) continue;
    check_shift(*term, visit, shift);
    at::Tensor& sum = term->is_estimate() ? estimate.denoised : estimate.shift;
    sum = sum.defined() ? sum + shift : shift;
  }
  return estimate;
}

void GuidedDenoiser::count(const Visit& visit) const {
  denoiser_calls_ += visit.x.size(0);
  for (const auto& term : terms_) {
    const auto num_active = term->strength(visit).count_nonzero().item<int64_t>();
    (term->is_estimate() ? denoiser_calls_ : guidance_calls_) += num_active;
  }
}

Estimate GuidedDenoiser::estimate(const Visit& visit) const {
  count(visit);
  const auto parts = in_fixed_chunks(visit.x.size(0), chunk_size_, [&](const at::Tensor& rows) {
    Estimate part = estimate_chunk(pick(visit, rows));
    // A term may be absent from one chunk and present in the next.
    if (!terms_.empty() && !part.shift.defined()) part.shift = at::zeros_like(part.denoised);
    return std::vector<at::Tensor>{part.denoised, part.shift, part.variance_share};
  });
  return {.denoised = parts[0], .shift = parts[1], .variance_share = parts[2]};
}

at::Tensor GuidedDenoiser::wanted_churn(const Visit& visit) const {
  at::Tensor largest;
  for (const auto& term : terms_) {
    const at::Tensor wanted =
        in_fixed_chunks(visit.x.size(0), chunk_size_, [&](const at::Tensor& rows) {
          const at::Tensor part = term->wanted_churn(pick(visit, rows));
          return std::vector<at::Tensor>{
              part.defined() ? part
                             : at::full({rows.size(0)}, std::numeric_limits<double>::quiet_NaN(),
                                        visit.sigma.options())};
        })[0];
    largest = largest.defined() ? at::fmax(largest, wanted) : wanted;
  }
  return largest;
}

}  // namespace equipoise::diffusion
