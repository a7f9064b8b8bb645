// Denoisers made of a raw network and fixed scalings of its input and output.
//
//   D(x; sigma) = c_skip x + c_out F(c_in x; c_noise)
//
//          c_skip                               c_out
//   edm    sigma_data^2/(sigma^2+sigma_data^2)  sigma sigma_data/sqrt(sigma^2+sigma_data^2)
//   vp     1                                    -sigma
//   ve     1                                    sigma
//   iddpm  1                                    -sigma
//
//          c_in                            c_noise
//   edm    1/sqrt(sigma^2+sigma_data^2)    ln(sigma)/4
//   vp     1/sqrt(sigma^2+1)               999 t(sigma), t the inverse of
//                                          sigma(t) = sqrt(exp(19.9 t^2/2 + 0.1 t) - 1)
//   ve     1                               ln(sigma/2)
//   iddpm  1/sqrt(sigma^2+1)               999 - index of the nearest of 1000 discrete levels
//
// Train with edm. The others are for networks trained elsewhere, as are "ddpm_linear_T" and
// "ddpm_cosine_T" (adm_denoiser.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/libtorch.h"
#include "diffusion/denoiser.h"
#include "nets/network_graphs.h"

namespace equipoise::diffusion {

/// Everything needed to build a denoiser again; written into every model file.
struct ModelConfig {
  std::string preconditioning = "edm";  ///< edm | vp | ve | iddpm | ddpm_{linear,cosine}_T
  double sigma_data = 0.5;              ///< standard deviation of the data; used by edm alone
  nets::DataShape shape = {};
  nets::NetworkConfig network = {};
  nlohmann::json extra = nlohmann::json::object();  ///< free: class names, training set, …
};

/// Names of the preconditionings, in the order of the list above.
const std::vector<std::string>& preconditioning_names();

/// The scalings of one preconditioning; each [B] float32.
struct Scalings {
  at::Tensor skip, out, in, noise;
};

/// c_skip, c_out, c_in, c_noise as functions of sigma, and the noise range they hold for.
class Preconditioning {
 public:
  virtual ~Preconditioning() = default;
  virtual Scalings scalings(const at::Tensor& sigma) const = 0;
  /// lambda(sigma) of the matching training loss: 1 / c_out^2 for edm, 1 / sigma^2 for the others.
  virtual at::Tensor loss_weight(const at::Tensor& sigma) const = 0;
  virtual double sigma_min() const = 0;
  virtual double sigma_max() const = 0;
  virtual at::Tensor round_sigma(const at::Tensor& sigma) const { return sigma; }
  /// The discrete noise levels, largest first, that belong to the model's state; undefined when
  /// there are none.
  virtual at::Tensor levels() const { return {}; }
};

/// A network with its preconditioning: child module "model", and buffer "u" (the levels) for iddpm.
///
/// Source: Karras et al. 2022 (arXiv:2206.00364), Table 1.
/// Shapes: x [B,C,H,W] or [B,D] float32 or float64; sigma [B] or [1] > 0; returns float32 of the
/// shape of x.
///   The network runs in float32. Class labels [B,label_dim] (or [1,label_dim]); undefined = zeros.
/// Random: none, unless `conditions.randomness` is given.
/// Threads: denoise() may be called from several threads at once.
/// Throws: UsageError when x or the labels do not have the model's shape.
class PreconditionedDenoiser : public torch::nn::Module, public Denoiser {
 public:
  PreconditionedDenoiser(const std::string& preconditioning, double sigma_data,
                         const nets::DataShape& shape,
                         std::shared_ptr<nets::DenoiserNetwork> model);

  at::Tensor denoise(const at::Tensor& x, const at::Tensor& sigma,
                     const Conditions& conditions = {}) const override;
  double sigma_min() const override;
  double sigma_max() const override;
  at::Tensor round_sigma(const at::Tensor& sigma) const override;

  /// lambda(sigma), same shape and type as sigma. edm: (sigma^2 + sigma_data^2) / (sigma
  /// sigma_data)^2; others: 1 / sigma^2.
  at::Tensor loss_weight(const at::Tensor& sigma) const;
  const nets::DataShape& shape() const { return shape_; }

 protected:
  struct Evaluation {
    at::Tensor denoised;  ///< D(x; sigma)
    at::Tensor output;    ///< all that the network gave: [B, C or more, …]
  };
  Evaluation evaluate(const at::Tensor& x, const at::Tensor& sigma,
                      const Conditions& conditions) const;

 private:
  Conditions checked(const Conditions& conditions, int64_t batch) const;

  nets::DataShape shape_;
  std::unique_ptr<const Preconditioning> preconditioning_;
  std::unique_ptr<nets::NetworkGraphs> network_;
};

/// Builds network and preconditioning; weights drawn from `init_seed`. Throws UsageError for
/// unknown names and options.
std::shared_ptr<PreconditionedDenoiser> make_denoiser(const ModelConfig& config,
                                                      uint64_t init_seed);

}  // namespace equipoise::diffusion
