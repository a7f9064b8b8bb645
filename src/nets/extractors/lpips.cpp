#include "nets/extractors/lpips.h"

#include <algorithm>
#include <map>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"
#include "core/spelling.h"
#include "nets/extractors/pixels.h"
#include "nets/extractors/small_batches.h"

namespace equipoise::nets {
namespace {

using Step = Lpips::Step;
using Kind = Step::Kind;

constexpr bool kTapped = true;

Step conv(int64_t index, int64_t channels, bool is_tapped = false, int64_t kernel = 3,
          int64_t stride = 1, Padding padding = Padding::kSame) {
  return {.kind = Kind::kConvolution,
          .index = index,
          .channels = channels,
          .kernel = kernel,
          .stride = stride,
          .padding = padding,
          .is_tapped = is_tapped};
}

Step fire(int64_t index, int64_t squeezed, int64_t channels, bool is_tapped = false) {
  return {.kind = Kind::kFire,
          .index = index,
          .channels = channels,
          .squeezed = squeezed,
          .is_tapped = is_tapped};
}

Step pool(int64_t kernel, bool is_rounded_up = false) {
  return {.kind = Kind::kPool, .kernel = kernel, .stride = 2, .is_rounded_up = is_rounded_up};
}

struct Backbone {
  int64_t min_size;
  std::vector<Step> steps;
};

const std::map<std::string, Backbone>& backbones() {
  static const std::map<std::string, Backbone> kBackbones{
      {"alex",
       {31,
        {{.kind = Kind::kPad, .kernel = 2},
         conv(0, 64, kTapped, 11, 4, Padding::kValid),
         pool(3),
         conv(3, 192, kTapped, 5),
         pool(3),
         conv(6, 384, kTapped),
         conv(8, 256, kTapped),
         conv(10, 256, kTapped)}}},
      {"squeeze",
       {17,
        {conv(0, 64, kTapped, 3, 2, Padding::kValid), pool(3, true), fire(3, 16, 64),
         fire(4, 16, 64, kTapped), pool(3, true), fire(6, 32, 128), fire(7, 32, 128, kTapped),
         pool(3, true), fire(9, 48, 192, kTapped), fire(10, 48, 192, kTapped),
         fire(11, 64, 256, kTapped), fire(12, 64, 256, kTapped)}}},
      {"vgg",
       {16,
        {conv(0, 64), conv(2, 64, kTapped), pool(2), conv(5, 128), conv(7, 128, kTapped), pool(2),
         conv(10, 256), conv(12, 256), conv(14, 256, kTapped), pool(2), conv(17, 512),
         conv(19, 512), conv(21, 512, kTapped), pool(2), conv(24, 512), conv(26, 512),
         conv(28, 512, kTapped)}}}};
  return kBackbones;
}

Convolution take(PublishedWeights& weights, const std::string& name, at::IntArrayRef shape,
                 const Step& step = {.kind = Kind::kFire}) {
  return {.weight = weights.take(name + ".weight", shape),
          .bias = weights.take(name + ".bias", shape.slice(0, 1)),
          .stride = step.stride,
          .padding = step.padding};
}

std::vector<Convolution> take_all(PublishedWeights& weights, const Step& step, int64_t channels) {
  const std::string name = "features." + std::to_string(step.index);
  if (step.kind == Kind::kConvolution)
    return {take(weights, name, {step.channels, channels, step.kernel, step.kernel}, step)};
  if (step.kind == Kind::kFire)
    return {take(weights, name + ".squeeze", {step.squeezed, channels, 1, 1}),
            take(weights, name + ".expand1x1", {step.channels, step.squeezed, 1, 1}),
            take(weights, name + ".expand3x3", {step.channels, step.squeezed, 3, 3})};
  return {};
}

int64_t output_channels(const Step& step, int64_t channels) {
  if (step.kind == Kind::kConvolution) return step.channels;
  return step.kind == Kind::kFire ? 2 * step.channels : channels;
}

at::Tensor take_head(PublishedWeights& heads, const std::string& name, int64_t channels) {
  at::Tensor head = heads.take(name, {1, channels, 1, 1});
  if (head.lt(0).any().item<bool>())
    throw DataError({.where = heads.where() + ": " + name,
                     .what = "a weight of the distance is negative",
                     .got = fmt::format("{}", head.min().item<double>()),
                     .expected = "0 or more"});
  return head;
}

at::Tensor unit_length(const at::Tensor& features) {
  return features / (at::linalg_vector_norm(features, 2, {1}, /*keepdim=*/true) + 1e-10);
}

at::Tensor per_channel(std::array<float, 3> values) {
  return at::tensor(at::ArrayRef<float>(values)).view({1, 3, 1, 1});
}

at::Tensor normalised(const at::Tensor& images) {
  static const at::Tensor kShift = per_channel({-0.030f, -0.088f, -0.188f});
  static const at::Tensor kScale = per_channel({0.458f, 0.448f, 0.450f});
  return ((rgb_pixels(images, "images") / 127.5 - 1 - kShift) / kScale)
      .contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace

std::vector<std::string> Lpips::backbone_names() {
  std::vector<std::string> names;
  for (const auto& [name, backbone] : backbones()) names.push_back(name);
  return names;
}

Lpips::Lpips(const std::string& backbone, PublishedWeights backbone_weights, PublishedWeights heads)
    : backbone_(backbone),
      backbone_sha256_(backbone_weights.sha256()),
      heads_sha256_(heads.sha256()) {
  const auto found = backbones().find(backbone);
  if (found == backbones().end()) throw unknown_name("LPIPS backbone", backbone, backbone_names());
  min_size_ = found->second.min_size;
  int64_t channels = 3;
  for (const Step& step : found->second.steps) {
    steps_.push_back({step, take_all(backbone_weights, step, channels)});
    channels = output_channels(step, channels);
    if (step.is_tapped)
      heads_.push_back(
          take_head(heads, fmt::format("{}.lin{}.weight", backbone, heads_.size()), channels));
  }
  backbone_weights.ignore("classifier.");
  backbone_weights.check_all_taken();
}

Lpips Lpips::read(const std::string& backbone, const std::filesystem::path& backbone_weights,
                  const std::filesystem::path& heads) {
  return {backbone, PublishedWeights::read(backbone_weights), PublishedWeights::read(heads)};
}

at::Tensor Lpips::LoadedStep::operator()(const at::Tensor& x) const {
  switch (step.kind) {
    case Kind::kPad:
      return at::constant_pad_nd(x, {step.kernel, step.kernel, step.kernel, step.kernel});
    case Kind::kConvolution:
      return convolutions[0](x).relu_();
    case Kind::kFire: {
      const at::Tensor squeezed = convolutions[0](x).relu_();
      return at::cat({convolutions[1](squeezed), convolutions[2](squeezed)}, 1).relu_();
    }
    case Kind::kPool:
      return at::max_pool2d(x, step.kernel, step.stride, /*padding=*/0, /*dilation=*/1,
                            step.is_rounded_up);
  }
  throw std::logic_error("internal error: an LPIPS step of no kind");
}

std::vector<at::Tensor> Lpips::taps(const at::Tensor& inputs) const {
  std::vector<at::Tensor> result;
  at::Tensor hidden = inputs;
  for (const LoadedStep& loaded : steps_) {
    hidden = loaded(hidden);
    if (loaded.step.is_tapped) result.push_back(hidden);
  }
  return result;
}

at::Tensor Lpips::distance(const at::Tensor& a, const at::Tensor& b) const {
  check_is_image_batch(a, "a");
  check_is_image_batch(b, "b");
  if (a.size(0) != b.size(0) || a.sizes().slice(2) != b.sizes().slice(2))
    throw UsageError({.where = "LPIPS",
                      .what = "the images to compare are not as many or of another size",
                      .got = describe(b),
                      .expected = describe(a)});
  if (std::min(a.size(2), a.size(3)) < min_size_)
    throw UsageError({.where = "LPIPS " + backbone_,
                      .what = "the images are too small for this backbone",
                      .got = describe(a),
                      .expected = fmt::format("{0} x {0} pixels or more", min_size_),
                      .hint = "larger images"});
  return in_small_batches(a.size(0), [&](int64_t begin, int64_t end) {
    return distance_of_inputs(normalised(a.slice(0, begin, end)),
                              normalised(b.slice(0, begin, end)));
  });
}

at::Tensor Lpips::distance_of_inputs(const at::Tensor& a, const at::Tensor& b) const {
  const int64_t count = a.size(0);
  const std::vector<at::Tensor> layers = taps(at::cat({a, b}));
  at::Tensor total = at::zeros({count}, a.options());
  for (size_t l = 0; l < layers.size(); ++l) {
    const at::Tensor units = unit_length(layers[l]);
    const at::Tensor difference = units.slice(0, 0, count) - units.slice(0, count);
    total = total + (difference.square() * heads_[l]).sum(1).mean({1, 2});
  }
  return total;
}

}  // namespace equipoise::nets
