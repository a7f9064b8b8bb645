#include "audit/score_decomposition.h"

#include <fmt/format.h>

#include "audit/simplex_fit.h"
#include "core/check.h"
#include "core/error.h"
#include "core/libtorch.h"
#include "core/spelling.h"

namespace equipoise::audit {
namespace {

const std::vector<std::string> kRuleNames{"simplex", "cosine", "pca", "distance"};

Decomposed fit_simplex(const at::Tensor& classes, const at::Tensor& neutral) {
  const at::Tensor differences = classes - neutral.unsqueeze(1);
  const at::Tensor gram = at::matmul(differences, differences.transpose(1, 2));
  Decomposed result{at::empty({gram.size(0), gram.size(1)}, at::kDouble), {}};
  for (int64_t i = 0; i < gram.size(0); ++i) {
    const std::vector<double> weights =
        gram.size(1) == 2 ? nearest_on_segment(gram[i]) : nearest_in_hull(gram[i]);
    result.weights[i] = at::tensor(weights, at::kDouble);
  }
  const at::Tensor left_over = at::matmul(result.weights.unsqueeze(1), differences).squeeze(1);
  result.residuals = left_over.norm(2, 1) / neutral.norm(2, 1).clamp_min(1e-300);
  return result;
}

/// Coordinates of the normalised rows [B,K+1,d] on their two principal directions.
at::Tensor principal_coordinates(const at::Tensor& rows) {
  const at::Tensor centred = rows - rows.mean(1, /*keepdim=*/true);
  const at::Tensor unit = centred / centred.norm(2, 2, /*keepdim=*/true).clamp_min(1e-300);
  const auto [values, vectors] = at::linalg_eigh(at::matmul(unit, unit.transpose(1, 2)));
  const int64_t count = values.size(1), first = std::max<int64_t>(count - 2, 0);
  return vectors.slice(2, first, count) *
         values.slice(1, first, count).clamp_min(0).sqrt().unsqueeze(1);
}

Decomposed fit_principal(const at::Tensor& classes, const at::Tensor& neutral) {
  const at::Tensor all = principal_coordinates(at::cat({neutral.unsqueeze(1), classes}, 1));
  return fit_simplex(all.slice(1, 1), all.select(1, 0));
}

}  // namespace

DecompositionRule parse_decomposition_rule(const std::string& name) {
  for (size_t i = 0; i < kRuleNames.size(); ++i)
    if (name == kRuleNames[i]) return static_cast<DecompositionRule>(i);
  throw unknown_name("decomposition rule", name, kRuleNames);
}

std::string to_string(DecompositionRule rule) {
  return kRuleNames[static_cast<size_t>(rule)];
}

Decomposed decompose(const at::Tensor& classes, const at::Tensor& neutral, DecompositionRule rule,
                     double power) {
  check_shape(classes, {neutral.size(0), kAny, neutral.size(1)}, "class predictions");
  switch (rule) {
    case DecompositionRule::kSimplex:
      return fit_simplex(classes, neutral);
    case DecompositionRule::kPca:
      return fit_principal(classes, neutral);
    case DecompositionRule::kCosine:
      return {at::cosine_similarity(classes, neutral.unsqueeze(1), 2), {}};
    case DecompositionRule::kDistance:
      return {-(classes - neutral.unsqueeze(1)).norm(power, 2), {}};
  }
  throw std::logic_error("internal error: unknown DecompositionRule");
}

ScoreDecomposition decompose_scores(const diffusion::Denoiser& denoiser, const at::Tensor& images,
                                    const std::vector<Prompt>& classes, const Prompt& neutral,
                                    const DecompositionOptions& options) {
  if (classes.size() < 2)
    throw UsageError({.where = "score decomposition",
                      .what = "one class explains everything",
                      .got = fmt::format("{}", classes.size()),
                      .expected = "two class prompts at least",
                      .hint = ""});
  std::vector<Prompt> prompts{neutral};
  prompts.insert(prompts.end(), classes.begin(), classes.end());
  const auto num_steps = static_cast<int64_t>(options.steps.size()),
             num_classes = static_cast<int64_t>(classes.size());
  ScoreDecomposition result{
      .steps = options.steps,
      .weights = at::zeros({num_steps, images.size(0), num_classes}, at::kDouble),
      .residuals = {}};
  const bool has_residuals =
      options.rule == DecompositionRule::kSimplex || options.rule == DecompositionRule::kPca;
  if (has_residuals) result.residuals = at::zeros({num_steps, images.size(0)}, at::kDouble);
  const double share = 1 / static_cast<double>(options.num_draws);
  for_each_chunk(images.size(0), options, [&](int64_t begin, int64_t end) {
    for (int64_t s = 0; s < num_steps; ++s)
      for (int64_t draw = 0; draw < options.num_draws; ++draw) {
        const NoisyImages noisy =
            noisy_images(images, begin, end, sigma_of_step(options.steps[static_cast<size_t>(s)]),
                         static_cast<uint32_t>(draw), options);
        const at::Tensor all = predict(denoiser, noisy, prompts, options.prediction, options);
        const Decomposed found =
            decompose(all.slice(1, 1), all.select(1, 0), options.rule, options.power);
        result.weights[s].slice(0, begin, end).add_(found.weights, share);
        if (has_residuals) result.residuals[s].slice(0, begin, end).add_(found.residuals, share);
      }
  });
  return result;
}

int64_t decomposition_passes(size_t num_classes, const ProbeOptions& options) {
  return static_cast<int64_t>((num_classes + 1) * options.steps.size()) * options.num_draws;
}

}  // namespace equipoise::audit
