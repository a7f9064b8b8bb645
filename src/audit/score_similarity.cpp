#include "audit/score_similarity.h"

#include <fmt/format.h>

#include "core/libtorch.h"

namespace equipoise::audit {
namespace {

/// Cosines of rows [B,R,d] with each other; of zero rows 0.
at::Tensor cosines_of(const at::Tensor& rows) {
  const at::Tensor norms = rows.norm(2, 2, /*keepdim=*/true);
  const at::Tensor unit = rows / at::where(norms > 0, norms, at::ones_like(norms));
  return at::matmul(unit, unit.transpose(1, 2)).clamp(-1, 1);
}

std::vector<Similarity> empty_tables(size_t count, int64_t num_images, int64_t rows) {
  std::vector<Similarity> tables(count);
  for (Similarity& table : tables) table.cosines = at::zeros({num_images, rows, rows}, at::kDouble);
  return tables;
}

}  // namespace

metrics::Interval Similarity::entry(int64_t i, int64_t j, const ProbeOptions& options) const {
  return metrics::mean_interval(cosines.select(1, i).select(1, j).contiguous(),
                                {.seed = options.seed, .level = options.level});
}

ScoreSimilarity compare_scores(const diffusion::Denoiser& denoiser, const at::Tensor& images,
                               const std::vector<Prompt>& prompts, const Prompt& neutral,
                               const ProbeOptions& options, Prediction prediction) {
  std::vector<Prompt> all = prompts;
  all.push_back(neutral);
  const int64_t num_images = images.size(0), num_prompts = static_cast<int64_t>(prompts.size());
  const size_t num_steps = options.steps.size();
  ScoreSimilarity result{
      .steps = options.steps,
      .across_prompts = empty_tables(num_steps, num_images, num_prompts),
      .across_differences = empty_tables(num_steps, num_images, num_prompts),
      .across_steps = empty_tables(prompts.size(), num_images, static_cast<int64_t>(num_steps))};
  for_each_chunk(num_images, options, [&](int64_t begin, int64_t end) {
    std::vector<at::Tensor> by_step;
    for (size_t s = 0; s < num_steps; ++s) {
      const NoisyImages noisy =
          noisy_images(images, begin, end, sigma_of_step(options.steps[s]), 0, options);
      const at::Tensor said = predict(denoiser, noisy, all, prediction, options);
      const at::Tensor own = said.slice(1, 0, num_prompts);
      result.across_prompts[s].cosines.slice(0, begin, end).copy_(cosines_of(own));
      result.across_differences[s]
          .cosines.slice(0, begin, end)
          .copy_(cosines_of(own - said.slice(1, num_prompts)));
      by_step.push_back(own);
    }
    const at::Tensor steps = at::stack(by_step, 2);  // [B,P,S,d]
    for (int64_t p = 0; p < num_prompts; ++p)
      result.across_steps[static_cast<size_t>(p)]
          .cosines.slice(0, begin, end)
          .copy_(cosines_of(steps.select(1, p)));
  });
  return result;
}

int64_t similarity_passes(size_t num_prompts, const ProbeOptions& options) {
  return static_cast<int64_t>((num_prompts + 1) * options.steps.size());
}

std::vector<AuditNumber> similarity_numbers(const ScoreSimilarity& similarity,
                                            const std::vector<Prompt>& prompts,
                                            const Prompt& neutral, const ProbeOptions& options) {
  const std::string recipe = probe_recipe(similarity.across_prompts.front().cosines.size(0),
                                          similarity_passes(prompts.size(), options), options) +
                             ", first draw alone";
  std::vector<AuditNumber> numbers;
  for (size_t s = 0; s < similarity.steps.size(); ++s)
    for (size_t i = 0; i < prompts.size(); ++i)
      for (size_t j = i + 1; j < prompts.size(); ++j) {
        const auto add = [&](const Similarity& table, const std::string& of,
                             const std::string& not_said) {
          numbers.push_back(
              {.name = fmt::format("cosine of {} '{}', '{}' at t = {}", of, prompts[i].name,
                                   prompts[j].name, similarity.steps[s]),
               .interval = table.entry(static_cast<int64_t>(i), static_cast<int64_t>(j), options),
               .recipe = recipe,
               .not_said = not_said});
        };
        add(similarity.across_prompts[s], "scores",
            "A cosine near 1 does not mean that the model treats the prompts alike: at little "
            "noise all predictions name the noise that is seen.");
        add(similarity.across_differences[s],
            fmt::format("scores less that of '{}',", neutral.name),
            "Opposite directions do not mean opposite images: the length of the differences is "
            "not looked at.");
      }
  for (size_t p = 0; p < prompts.size(); ++p)
    for (size_t i = 0; i < similarity.steps.size(); ++i)
      for (size_t j = i + 1; j < similarity.steps.size(); ++j)
        numbers.push_back(
            {.name = fmt::format("cosine of scores of '{}' at t = {} and {}", prompts[p].name,
                                 similarity.steps[i], similarity.steps[j]),
             .interval = similarity.across_steps[p].entry(static_cast<int64_t>(i),
                                                          static_cast<int64_t>(j), options),
             .recipe = recipe + ", the same noise at both steps",
             .not_said =
                 "A high cosine does not mean that the prompt acts alike at both steps: the "
                 "noise in common is most of it."});
  return numbers;
}

}  // namespace equipoise::audit
