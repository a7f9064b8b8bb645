// The layers all networks are made of: initial values, linear maps, convolutions, norms,
// embeddings.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/libtorch.h"
#include "core/random.h"
#include "nets/ops.h"

namespace equipoise::nets {

/// Where initial values come from: the n-th tensor drawn uses stream (seed, kInit, n), so a
/// network's weights depend on its seed and its architecture alone.
class ParameterInit {
 public:
  explicit ParameterInit(uint64_t seed) : seed_(seed) {}
  /// Uniform in (-1, 1).
  at::Tensor uniform(at::IntArrayRef shape);
  /// Standard normal.
  at::Tensor normal(at::IntArrayRef shape);

 private:
  RandomStream next_stream() { return {seed_, Purpose::kInit, num_drawn_++}; }

  uint64_t seed_;
  uint64_t num_drawn_ = 0;
};

enum class InitLaw {
  kXavierUniform,   ///< half-width sqrt(6 / (fan_in + fan_out))
  kKaimingUniform,  ///< half-width sqrt(3 / fan_in)
  kKaimingNormal,   ///< standard deviation sqrt(1 / fan_in)
};

/// How a layer's weight and bias start: draws of `law`, scaled.
struct InitScheme {
  InitLaw law = InitLaw::kKaimingNormal;
  double weight_scale = 1;
  double bias_scale = 0;
};

/// Half-width 1/sqrt(fan_in) for weights and biases, the default of PyTorch's layers.
InitScheme pytorch_init();

class Linear : public torch::nn::Module {
 public:
  Linear(ParameterInit& init, int64_t in_features, int64_t out_features, const InitScheme& scheme,
         bool use_bias = true);
  at::Tensor forward(const at::Tensor& x) const { return linear(x, weight_, bias_); }

 private:
  at::Tensor weight_, bias_;
};

enum class Resample {
  kNone,
  kUp,                ///< doubled before the convolution
  kDown,              ///< halved before the convolution
  kDownAfterPadding,  ///< halved after it, both working on one zero-padded image (NCSN++'s residual
                      ///< branch)
};

struct Conv2dOptions {
  int64_t kernel = 3;  ///< 0 = no convolution, resampling only
  Resample resample = Resample::kNone;
  std::vector<double> resample_filter = {1, 1};
  InitScheme init = {};
};

/// Convolution with optional resampling. Parameters "weight", "bias"; buffer "resample_filter" when
/// it resamples.
class Conv2d : public torch::nn::Module {
 public:
  Conv2d(ParameterInit& init, int64_t in_channels, int64_t out_channels,
         const Conv2dOptions& options);
  at::Tensor forward(const at::Tensor& x) const;

 private:
  at::Tensor convolve(const at::Tensor& x, int64_t padding = -1) const;

  Resample resample_;
  at::Tensor weight_, bias_, resample_filter_;
};

/// Group norm with `min(32, channels / 4)` groups unless told, optionally modulated and followed by
/// SiLU.
class GroupNorm : public torch::nn::Module {
 public:
  /// Throws UsageError when the groups do not divide the channels.
  GroupNorm(int64_t channels, double eps, int64_t groups = 0);
  at::Tensor forward(const at::Tensor& x) const;
  at::Tensor forward_silu(const at::Tensor& x, const NormModulation& modulation = {}) const;

 private:
  GroupNormSettings settings_;
  at::Tensor weight_, bias_;
};

/// [cos(x f_k), sin(x f_k)], k = 0 … num_channels/2 - 1, with f_k = 10000^(-2k / num_channels), or
/// with 10000^(-k / (num_channels/2 - 1)) when `use_endpoint`. x [B]; returns [B, num_channels].
at::Tensor positional_embedding(const at::Tensor& x, int64_t num_channels,
                                bool use_endpoint = false);

/// [cos(2 pi f_k x), sin(2 pi f_k x)] with fixed random f_k ~ N(0, 16^2): buffer "freqs".
class FourierEmbedding : public torch::nn::Module {
 public:
  FourierEmbedding(ParameterInit& init, int64_t num_channels);
  at::Tensor forward(const at::Tensor& x) const;

 private:
  at::Tensor freqs_;
};

/// Throws UsageError naming `where` unless the shape is an image's.
void check_is_image(const DataShape& shape, const std::string& where);
/// Throws UsageError naming `where` unless the shape is a vector's.
void check_is_vector(const DataShape& shape, const std::string& where);

/// Throws UsageError naming `where` when the data has no classes to condition on.
void check_has_classes(const DataShape& shape, const std::string& where);
/// The labels of a conditional discriminator; throws UsageError naming `where` when they were not
/// given.
at::Tensor required_labels(const at::Tensor& labels, const std::string& where);

/// Class labels ready for a network: [B, label_dim], zeros where undefined, dropped with
/// probability `label_dropout`; B, type and device are those of `like` [B,…].
at::Tensor prepare_labels(const Conditions& conditions, int64_t label_dim, double label_dropout,
                          const at::Tensor& like);

}  // namespace equipoise::nets
