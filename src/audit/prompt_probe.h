// What a conditional denoiser says of one noisy image under different prompts: where every audit of
// its conditions starts.
//
//   x = x_0 + sigma eps,    sigma = sqrt((1 - abar_t) / abar_t), t = 0 … 999 of "ddpm_linear_1000"
//
// Steps name noise levels for every model, discrete-time or not. Source of the audits: Kuchlous, Li
// and Wang 2024, "Bias Begets Bias" (ICML workshop), and its released code.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <torch/types.h>

#include "diffusion/denoiser.h"

namespace equipoise::audit {

/// What a model is told.
struct Prompt {
  std::string name;
  at::Tensor condition = {};  ///< [L] float; undefined = no condition
};

struct ProbeOptions {
  std::vector<int64_t> steps = {5, 20, 100, 300, 600};
  int64_t num_draws = 1;  ///< of noise an image
  uint64_t seed = 0;
  double level = 0.95;  ///< of intervals
  int64_t num_workers = 1;
  int64_t chunk_size = 8;  ///< images a worker carries at once; changes no result
  at::Device device = at::kCPU;
};

/// abar_t of step t. Throws UsageError outside 0 … 999.
double alpha_bar_of_step(int64_t step);
/// sigma_t.
double sigma_of_step(int64_t step);

/// Noisy versions of some images at one level.
struct NoisyImages {
  at::Tensor x;  ///< [B,…] float64
  double sigma = 0;
};
/// Images first … last - 1 of `images` [N,…] with noise draw `draw`: the same at every level.
/// Random: image i from stream (options.seed, kEvaluation, i, draw).
NoisyImages noisy_images(const at::Tensor& images, int64_t first, int64_t last, double sigma,
                         uint32_t draw, const ProbeOptions& options);

/// Names for the same answer, D the denoised image, abar = 1 / (1 + sigma^2).
enum class Prediction {
  kNoise,     ///< eps = (x - D) / sigma
  kVelocity,  ///< v = sqrt(abar) eps - sqrt(1 - abar) D
  kClean,     ///< D
  kScore,     ///< -eps / sqrt(1 - abar), of the variance-preserving image
};

/// Returns [B,P,d] float64, one row a prompt; one denoiser call of B·P images. Prompts without a
/// condition are told zeros beside prompts with one.
at::Tensor predict(const diffusion::Denoiser& denoiser, const NoisyImages& noisy,
                   const std::vector<Prompt>& prompts, Prediction prediction,
                   const ProbeOptions& options);

/// visit(begin, end) over chunks of 0 … total - 1, dealt to workers in turn, without autograd.
void for_each_chunk(int64_t total, const ProbeOptions& options,
                    const std::function<void(int64_t begin, int64_t end)>& visit);

/// "t = 5, 20, 100; 250 images, 2 draws of noise, 15 forward passes an image, seed 0": for recipes.
std::string probe_recipe(int64_t num_images, int64_t forward_passes, const ProbeOptions& options);

}  // namespace equipoise::audit
