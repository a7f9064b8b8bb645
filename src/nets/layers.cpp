#include "nets/layers.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "core/error.h"

namespace equipoise::nets {
namespace {

at::Tensor draw(ParameterInit& init, at::IntArrayRef shape, InitLaw law, double fan_in,
                double fan_out, double scale) {
  if (scale == 0) return at::zeros(shape);
  switch (law) {
    case InitLaw::kXavierUniform:
      return init.uniform(shape) * (std::sqrt(6 / (fan_in + fan_out)) * scale);
    case InitLaw::kKaimingUniform:
      return init.uniform(shape) * (std::sqrt(3 / fan_in) * scale);
    case InitLaw::kKaimingNormal:
      return init.normal(shape) * (std::sqrt(1 / fan_in) * scale);
  }
  throw std::logic_error("internal error: unknown InitLaw");
}

// cos first, then sin, as the reference's embeddings return them.
at::Tensor cos_sin(const at::Tensor& x, const at::Tensor& frequencies) {
  const at::Tensor angles = at::outer(x, frequencies);
  return at::cat({angles.cos(), angles.sin()}, 1);
}

}  // namespace

at::Tensor ParameterInit::uniform(at::IntArrayRef shape) {
  at::Tensor values = at::empty(shape);
  next_stream().fill_uniform(values.data_ptr<float>(), values.numel());
  return values * 2 - 1;
}

at::Tensor ParameterInit::normal(at::IntArrayRef shape) {
  at::Tensor values = at::empty(shape);
  next_stream().fill_normal(values.data_ptr<float>(), values.numel());
  return values;
}

InitScheme pytorch_init() {
  return {InitLaw::kKaimingUniform, std::sqrt(1.0 / 3), std::sqrt(1.0 / 3)};
}

Linear::Linear(ParameterInit& init, int64_t in_features, int64_t out_features,
               const InitScheme& scheme, bool use_bias) {
  const auto fan_in = static_cast<double>(in_features), fan_out = static_cast<double>(out_features);
  weight_ = register_parameter("weight", draw(init, {out_features, in_features}, scheme.law, fan_in,
                                              fan_out, scheme.weight_scale));
  if (use_bias)
    bias_ = register_parameter(
        "bias", draw(init, {out_features}, scheme.law, fan_in, fan_out, scheme.bias_scale));
}

Conv2d::Conv2d(ParameterInit& init, int64_t in_channels, int64_t out_channels,
               const Conv2dOptions& options)
    : resample_(options.resample) {
  const int64_t kernel = options.kernel;
  if (kernel > 0) {
    const auto area = static_cast<double>(kernel * kernel);
    const double fan_in = static_cast<double>(in_channels) * area,
                 fan_out = static_cast<double>(out_channels) * area;
    const InitScheme& scheme = options.init;
    weight_ = register_parameter("weight", draw(init, {out_channels, in_channels, kernel, kernel},
                                                scheme.law, fan_in, fan_out, scheme.weight_scale));
    bias_ = register_parameter(
        "bias", draw(init, {out_channels}, scheme.law, fan_in, fan_out, scheme.bias_scale));
  }
  if (resample_ != Resample::kNone)
    resample_filter_ = register_buffer("resample_filter", resample_kernel(options.resample_filter));
}

at::Tensor Conv2d::convolve(const at::Tensor& x, int64_t padding) const {
  return weight_.defined() ? conv2d(x, weight_, bias_, padding) : x;
}

at::Tensor Conv2d::forward(const at::Tensor& x) const {
  switch (resample_) {
    case Resample::kNone:
      return convolve(x);
    case Resample::kUp:
      return convolve(upsample(x, resample_filter_));
    case Resample::kDown:
      return convolve(downsample(x, resample_filter_));
    case Resample::kDownAfterPadding: {
      const int64_t padding = weight_.size(-1) / 2 + (resample_filter_.size(-1) - 1) / 2;
      return downsample(convolve(x, padding), resample_filter_, /*use_padding=*/false);
    }
  }
  throw std::logic_error("internal error: unknown Resample");
}

GroupNorm::GroupNorm(int64_t channels, double eps, int64_t groups) {
  settings_.groups = groups > 0 ? groups : std::min<int64_t>(32, channels / 4);
  settings_.eps = eps;
  if (settings_.groups == 0 || channels % settings_.groups != 0)
    throw UsageError({.where = "group norm",
                      .what = "the channels cannot be split into equal groups",
                      .got = fmt::format("{} channels, {} groups", channels, settings_.groups),
                      .expected = "a multiple of 4 up to 128, a multiple of 32 above",
                      .hint = "another channel count"});
  weight_ = register_parameter("weight", at::ones({channels}));
  bias_ = register_parameter("bias", at::zeros({channels}));
}

at::Tensor GroupNorm::forward(const at::Tensor& x) const {
  return group_norm_silu(x, weight_, bias_, {settings_.groups, settings_.eps, /*use_silu=*/false});
}

at::Tensor GroupNorm::forward_silu(const at::Tensor& x, const NormModulation& modulation) const {
  return group_norm_silu(x, weight_, bias_, settings_, modulation);
}

at::Tensor positional_embedding(const at::Tensor& x, int64_t num_channels, bool use_endpoint) {
  const int64_t half = num_channels / 2;
  const at::Tensor exponents =
      at::arange(half, x.options()) / static_cast<double>(use_endpoint ? half - 1 : half);
  return cos_sin(x, at::pow(1.0 / 10000, exponents));
}

FourierEmbedding::FourierEmbedding(ParameterInit& init, int64_t num_channels) {
  freqs_ = register_buffer("freqs", init.normal({num_channels / 2}) * 16);
}

at::Tensor FourierEmbedding::forward(const at::Tensor& x) const {
  return cos_sin(x, freqs_ * (2 * std::numbers::pi));
}

void check_is_image(const DataShape& shape, const std::string& where) {
  if (shape.resolution > 0) return;
  throw UsageError({.where = where,
                    .what = "made for images",
                    .got = fmt::format("vectors of length {}", shape.channels),
                    .expected = "",
                    .hint = "type \"MLP\""});
}

void check_is_vector(const DataShape& shape, const std::string& where) {
  if (shape.resolution == 0) return;
  throw UsageError({.where = where,
                    .what = "made for vectors",
                    .got = fmt::format("{0}x{0} images", shape.resolution),
                    .expected = "",
                    .hint = "a convolutional network"});
}

void check_has_classes(const DataShape& shape, const std::string& where) {
  if (shape.label_dim > 0) return;
  throw UsageError({.where = where,
                    .what = "cannot condition on the class",
                    .got = "data without classes",
                    .expected = "",
                    .hint = "condition = false"});
}

at::Tensor required_labels(const at::Tensor& labels, const std::string& where) {
  if (labels.defined()) return labels.to(at::kFloat);
  throw UsageError({.where = where,
                    .what = "this network needs class labels",
                    .got = "none",
                    .expected = "[B, label_dim]",
                    .hint = ""});
}

at::Tensor prepare_labels(const Conditions& conditions, int64_t label_dim, double label_dropout,
                          const at::Tensor& like) {
  const int64_t batch = like.size(0);
  if (!conditions.class_labels.defined()) return at::zeros({batch, label_dim}, like.options());
  const at::Tensor labels = conditions.class_labels.to(like.options()).expand({batch, label_dim});
  return drop_labels(labels, label_dropout, conditions.randomness);
}

}  // namespace equipoise::nets
