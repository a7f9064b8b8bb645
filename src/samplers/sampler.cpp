#include "samplers/sampler.h"

#include "diffusion/fixed_chunks.h"

namespace equipoise::samplers {

Walkers pick(const Walkers& walkers, const at::Tensor& rows) {
  using diffusion::pick_rows;
  return {.x = pick_rows(walkers.x, rows),
          .level = pick_rows(walkers.level, rows),
          .num_taken = pick_rows(walkers.num_taken, rows),
          .memory = pick_rows(walkers.memory, rows),
          .memory_level = pick_rows(walkers.memory_level, rows),
          .seeds = pick_rows(walkers.seeds, rows),
          .seed_base = walkers.seed_base,
          .conditions = {.class_labels = pick_rows(walkers.conditions.class_labels, rows),
                         .augment_labels = pick_rows(walkers.conditions.augment_labels, rows)}};
}

int64_t Sampler::num_function_evaluations() const {
  int64_t calls = 0;
  for (int64_t level = 0; level < num_steps(); ++level) calls += calls_of_step(level);
  return calls;
}

at::Tensor Sampler::sample(const diffusion::GuidedDenoiser& model,
                           const SamplingInput& input) const {
  const at::NoGradGuard no_grad;
  const at::Tensor grid = levels(model.denoiser()).to(input.latents.device());
  const at::Tensor zeros = at::zeros({input.latents.size(0)}, grid.options().dtype(at::kLong));
  Walkers walkers{.x = input.latents.to(at::kDouble) * grid[0],
                  .level = zeros,
                  .num_taken = zeros.clone(),
                  .seeds = input.seeds,
                  .seed_base = input.seed_base,
                  .conditions = input.conditions};
  for (int64_t step = 0; step < num_steps(); ++step) this->step(model, grid, walkers);
  return walkers.x;
}

}  // namespace equipoise::samplers
