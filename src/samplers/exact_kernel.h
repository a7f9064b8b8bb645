// The reverse kernel of a Gaussian mixture in closed form: what the theory of rejection speaks of,
// for tests and tables.
#pragma once

#include <vector>

#include "core/random.h"
#include "diffusion/mixture_law.h"
#include "diffusion/per_item.h"
#include "samplers/noise_grid.h"
#include "samplers/sampler.h"
#include "samplers/steps.h"

namespace equipoise::samplers {

/// Draws x at sigma from p(x | x' at sigma'), component by component:
///
///   weight of component k: responsibility of k for x' at sigma'
///   mean v (m_k / (s^2 + sigma^2) + x' / (sigma'^2 - sigma^2)),  v = 1 / (1 / (s^2 + sigma^2) + 1 / (sigma'^2 - sigma^2))
///
/// from sigma 20 to 0.3 and then to 0. All components have one std s.
/// Random: the component from stream (seed_base, kToyData, seed, num_taken), the rest as step_noise.
class ExactKernel : public Sampler {
 public:
  ExactKernel(const std::vector<diffusion::GaussianMixture::Component>& components, int64_t steps)
      : law_(components),
        steps_(steps),
        variance_(components.front().std * components.front().std) {
    std::vector<at::Tensor> means;
    for (const auto& component : components)
      means.push_back(at::tensor(component.mean, at::kDouble));
    means_ = at::stack(means);
  }
  int64_t num_steps() const override { return steps_; }
  at::Tensor levels(const diffusion::Denoiser& denoiser) const override {
    return noise_grid({.steps = steps_, .sigma_min = 0.3, .sigma_max = 20}, denoiser);
  }
  bool is_stochastic() const override { return true; }
  void step(const diffusion::GuidedDenoiser&, const at::Tensor& levels,
            Walkers& walkers) const override {
    const at::Tensor here = sigma_here(levels, walkers), next = sigma_next(levels, walkers);
    const at::Tensor mean = means_.index_select(0, drawn_components(walkers, here));
    const at::Tensor noised = variance_ + next.square(), gap = here.square() - next.square();
    const at::Tensor v = 1 / (1 / noised + 1 / gap);
    const auto each = [&](const at::Tensor& values) {
      return diffusion::per_item(values, walkers.x);
    };
    arrive(walkers, each(v) * (mean / each(noised) + walkers.x / each(gap)) +
                        each(v.sqrt()) * step_noise(walkers));
  }

 private:
  at::Tensor drawn_components(const Walkers& walkers, const at::Tensor& sigma) const {
    const at::Tensor below = law_.responsibilities(walkers.x, sigma).cumsum(1);
    at::Tensor u = at::empty({walkers.size(), 1}, at::kDouble);
    for (int64_t i = 0; i < u.size(0); ++i)
      u[i][0] = RandomStream(walkers.seed_base, Purpose::kToyData,
                             static_cast<uint64_t>(walkers.seeds[i].item<int64_t>()),
                             static_cast<uint32_t>(walkers.num_taken[i].item<int64_t>()))
                    .uniform();
    return (u > below).sum(1).clamp_max(below.size(1) - 1);
  }

  diffusion::GaussianMixture law_;
  int64_t steps_;
  double variance_;
  at::Tensor means_;  // [K,D] float64
};

}  // namespace equipoise::samplers
