#include "nets/ops.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/version.h>

#include "core/device_random.h"
#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"
#include "nets/kernels/cpu_ops.h"
#include "nets/kernels/device_ops.h"
#include "nets/kernels/dropout.h"
#include "nets/precision.h"

namespace equipoise::nets {
namespace {

c10::optional<at::Tensor> optional(const at::Tensor& tensor) {
  return tensor.defined() ? c10::optional<at::Tensor>(tensor) : c10::nullopt;
}

// Two (equal) taps are by far the most used, and as pooling they are many times faster than as a
// grouped convolution.
bool is_box(const at::Tensor& kernel) {
  return kernel.size(-1) == 2;
}

at::Tensor per_channel(const at::Tensor& kernel, int64_t channels) {
  return kernel.expand({channels, 1, kernel.size(2), kernel.size(3)});
}

/// `map` of bfloat16 copies of float32 tensors, as float32; of others, and in another precision, of
/// themselves.
template <class Map>
at::Tensor in_precision(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                        const Map& map) {
  if (precision() != Precision::kBf16 || x.scalar_type() != at::kFloat)
    return map(x, weight, optional(bias));
  const auto narrow = [](const at::Tensor& tensor) {
    return tensor.defined() ? tensor.to(at::kBFloat16) : tensor;
  };
  return map(narrow(x), narrow(weight), optional(narrow(bias))).to(at::kFloat);
}

/// Whether bfloat16 products beat Winograd's float32 ones on a processor: not where there are so many
/// tiles of 4x4 pixels that Winograd's fewer products are large ones, nor at an image's own few
/// channels.
bool gains_from_bf16(const at::Tensor& x, const at::Tensor& weight) {
  constexpr int64_t kManyPixels = 128 * 16, kFewChannels = 16;
  if (std::min(weight.size(0), weight.size(1)) < kFewChannels) return false;
  return weight.size(-1) == 1 || x.size(0) * x.size(2) * x.size(3) < kManyPixels;
}

void check_randomness(const ForwardRandomness& randomness, int64_t batch) {
  if (randomness.image_numbers.defined() && randomness.image_numbers.numel() == batch) return;
  throw UsageError({.where = "ForwardRandomness",
                    .what = "wrong number of image numbers",
                    .got = randomness.image_numbers.defined()
                               ? std::to_string(randomness.image_numbers.numel())
                               : "none",
                    .expected = std::to_string(batch) + ", one per image",
                    .hint = ""});
}

/// 0 or law.kept for each element of x; an image's elements in the order of channels-last memory.
at::Tensor dropout_mask(const at::Tensor& x, const at::Tensor& image_numbers,
                        const kernels::DropoutLaw& law) {
  const int64_t batch = x.size(0), width = x.numel() / std::max<int64_t>(batch, 1);
  at::Tensor rows;
  if (x.is_cuda()) {
    rows = device::mask_rows(law.key, image_numbers, width, law.drop_below, law.kept);
  } else {
    rows = at::ones({batch, width});
    kernels::dropout_rows(law, image_numbers.data_ptr<int64_t>(), batch, width,
                          rows.data_ptr<float>(), rows.data_ptr<float>());
  }
  const at::Tensor mask = rows.to(x.scalar_type());
  if (x.dim() != 4) return mask.view(x.sizes());
  return mask.view({batch, x.size(2), x.size(3), x.size(1)}).permute({0, 3, 1, 2});
}

}  // namespace

at::Tensor conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  int64_t padding) {
  if (padding < 0) padding = weight.size(-1) / 2;
  // Our 3x3 convolution is Winograd's, which is what fp32 does without.
  const bool is_ours = precision() == Precision::kFp32Fast || weight.size(-1) == 1 ||
                       (precision() == Precision::kBf16 && !gains_from_bf16(x, weight));
  if (precision() == Precision::kBf16 && gains_from_bf16(x, weight) &&
      kernels::handles_narrow_convolution(x, weight, padding))
    return kernels::narrow_convolution(x, weight, bias);
  if (is_ours && kernels::handles_convolution(x, weight, padding))
    return kernels::convolution(x, weight, bias);
  return in_precision(x, weight, bias, [&](const auto& a, const auto& w, const auto& b) {
    // A device's convolutions want channels last.
    if (a.is_cuda())
      return at::conv2d(a.contiguous(at::MemoryFormat::ChannelsLast),
                        w.contiguous(at::MemoryFormat::ChannelsLast), b, /*stride=*/1, padding);
    return at::conv2d(a, w, b, /*stride=*/1, padding);
  });
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  // On a processor, a network's few rows take longer to narrow than to multiply.
  if (x.is_cpu()) return at::linear(x, weight, optional(bias));
  return in_precision(x, weight, bias, [](const auto& a, const auto& w, const auto& b) {
    return at::linear(a, w, b);
  });
}

at::Tensor linear_over_channels(const at::Tensor& x, const at::Tensor& weight,
                                const at::Tensor& bias) {
  return in_precision(x, weight, bias, [](const auto& a, const auto& w, const auto& b) {
    return at::conv1d(a, w, b);
  });
}

at::Tensor group_norm_silu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           const GroupNormSettings& settings, const NormModulation& modulation) {
  if (kernels::handles(x))
    return kernels::group_norm(x, weight, bias, modulation, settings.groups, settings.eps,
                               settings.use_silu);
  if (kernels::device::handles_group_norm(x))
    return kernels::device::group_norm(x, weight, bias, modulation, settings.groups, settings.eps,
                                       settings.use_silu);
  std::vector<int64_t> broadcast(x.dim(), 1);
  broadcast[0] = x.size(0);
  broadcast[1] = x.size(1);
  const at::Tensor moved =
      modulation.offset.defined() ? x + modulation.offset.reshape(broadcast) : x;
  at::Tensor result = at::group_norm(moved, settings.groups, weight, bias, settings.eps);
  if (modulation.scale.defined())
    result = at::addcmul(modulation.shift.reshape(broadcast), result,
                         modulation.scale.reshape(broadcast) + 1);
  return settings.use_silu ? at::silu(result) : result;
}

at::Tensor scaled_sum(const at::Tensor& a, const at::Tensor& b, double factor) {
  if (kernels::handles(a)) return kernels::scaled_sum(a, b, factor);
  const at::Tensor sum = a + b;
  return factor == 1 ? sum : sum * factor;
}

at::Tensor attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value) {
#if TORCH_VERSION_MAJOR >= 2
  // Without the matrix of weights. Its gradients are not the same every time, so not in training.
  if (value.is_cuda() && !at::GradMode::is_enabled())
    return at::scaled_dot_product_attention(query.transpose(1, 2), key.transpose(1, 2),
                                            value.transpose(1, 2))
        .transpose(1, 2);
#endif
  const at::ScalarType precise = value.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor scaled_key = key / std::sqrt(static_cast<double>(key.size(1)));
  const at::Tensor logits = at::bmm(query.transpose(1, 2).to(precise), scaled_key.to(precise));
  const at::Tensor weights = at::softmax(logits, /*dim=*/2).to(value.scalar_type());
  return at::bmm(value, weights.transpose(1, 2));
}

at::Tensor self_attention(const at::Tensor& qkv, int64_t num_heads) {
  if (kernels::handles(qkv)) return kernels::self_attention(qkv, num_heads);
  const int64_t channels = qkv.size(1) / 3;
  const auto parts =
      qkv.reshape({qkv.size(0) * num_heads, channels / num_heads, 3, -1}).unbind(/*dim=*/2);
  return attention(parts[0], parts[1], parts[2])
      .reshape({qkv.size(0), channels, qkv.size(2), qkv.size(3)});
}

at::Tensor byte_products(const at::Tensor& rows, const at::Tensor& bytes) {
  if (kernels::handles_rows(rows)) return kernels::byte_products(rows, bytes);
  return rows.mm(bytes.to(rows.scalar_type()).t());
}

at::Tensor resample_kernel(const std::vector<double>& taps) {
  const bool is_symmetric = std::equal(taps.begin(), taps.end(), taps.rbegin());
  if (taps.empty() || taps.size() % 2 != 0 || !is_symmetric)
    throw UsageError({.where = "resample_filter",
                      .what = "the filter must be symmetric with an even number of taps",
                      .got = fmt::format("[{}]", fmt::join(taps, ", ")),
                      .expected = "",
                      .hint = "[1, 1] or [1, 3, 3, 1]"});
  const at::Tensor row = at::tensor(taps, at::kDouble);
  return (at::outer(row, row) / row.sum().square())
      .to(at::kFloat)
      .reshape({1, 1, row.size(0), row.size(0)});
}

at::Tensor downsample(const at::Tensor& x, const at::Tensor& kernel, bool use_padding) {
  if (is_box(kernel)) return at::avg_pool2d(x, /*kernel_size=*/2);
  const int64_t channels = x.size(1), padding = use_padding ? (kernel.size(-1) - 1) / 2 : 0;
  return at::conv2d(x, per_channel(kernel, channels), c10::nullopt, /*stride=*/2, padding,
                    /*dilation=*/1, channels);
}

at::Tensor upsample(const at::Tensor& x, const at::Tensor& kernel) {
  if (is_box(kernel)) return at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
  const int64_t channels = x.size(1), padding = (kernel.size(-1) - 1) / 2;
  return at::conv_transpose2d(x, per_channel(kernel * 4, channels), c10::nullopt, /*stride=*/2,
                              padding,
                              /*output_padding=*/0, channels);
}

at::Tensor dropout(const at::Tensor& x, double p, const ForwardRandomness* randomness,
                   uint32_t layer) {
  const auto drop_below = static_cast<uint32_t>(std::lround(p * 0x1p16));
  if (randomness == nullptr || drop_below == 0) return x;
  check_randomness(*randomness, x.size(0));
  const kernels::DropoutLaw law{
      .key = stream_key(randomness->seed, Purpose::kDropout, layer),
      .drop_below = drop_below,
      .kept =
          drop_below < 0x10000 ? 1.0f / (1.0f - static_cast<float>(drop_below) * 0x1p-16f) : 0.0f};
  const at::Tensor numbers = randomness->image_numbers.to(x.device()).contiguous();
  if (kernels::handles(x)) return kernels::dropout(x, numbers, law);
  const bool is_image_on_device = x.is_cuda() && x.dim() == 4;
  return (is_image_on_device ? x.contiguous(at::MemoryFormat::ChannelsLast) : x) *
         dropout_mask(x, numbers, law);
}

at::Tensor drop_labels(const at::Tensor& labels, double p, const ForwardRandomness* randomness) {
  if (randomness == nullptr || p == 0) return labels;
  check_randomness(*randomness, labels.size(0));
  const at::Tensor draws = random_uniform(randomness->seed, Purpose::kLabelDropout,
                                          randomness->image_numbers.to(labels.device()), {1});
  return labels * draws.ge(p).to(labels.scalar_type());
}

}  // namespace equipoise::nets
