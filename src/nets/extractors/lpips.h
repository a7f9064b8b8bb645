// LPIPS: how different two images look, by the features of an ImageNet classifier.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <torch/types.h>

#include "nets/extractors/convolution.h"
#include "nets/extractors/published_weights.h"

namespace equipoise::nets {

/// Learned perceptual distance, version 0.1.
///
///   d(a, b) = sum_l mean_{h,w} sum_c w_lc (f_lc(a) / (|f_l(a)| + 1e-10) - f_lc(b) / (…))^2
///
/// f_l: outputs of layer l after its relu, five layers of "vgg" (VGG16) and "alex" (AlexNet), seven
/// of "squeeze" (SqueezeNet 1.1); |f_l| the norm over channels at each position; w_lc >= 0.
/// Inputs are shifted and scaled by fixed numbers per channel; images are not resized.
///
/// Source: Zhang et al. 2018 (arXiv:1801.03924), Eq. 1, and its released code. Differs: none.
/// Weights: `heads` holds "vgg.lin0.weight" [1,C,1,1] and so on for any of the backbones;
/// `backbone_weights` is torchvision's state dict of vgg16, alexnet or squeezenet1_1 ("features.…";
/// "classifier.…" is not used), as safetensors.
/// Use when: two images of the same thing are compared, as a photograph with its reconstruction.
/// "vgg" is what most papers report when they use LPIPS as a loss; "alex" is the cheapest.
class Lpips {
 public:
  /// Throws UsageError for an unknown backbone; DataError naming file and tensor when one is
  /// missing, of another shape, left over in the backbone's file, or when a head is negative.
  Lpips(const std::string& backbone, PublishedWeights backbone_weights, PublishedWeights heads);
  static Lpips read(const std::string& backbone, const std::filesystem::path& backbone_weights,
                    const std::filesystem::path& heads);
  static std::vector<std::string> backbone_names();

  /// Distances [N] float32 of images a to b, both [N,1 or 3,H,W], uint8 in 0..255 or float32 in
  /// [-1,1]; grey is repeated. Zero for equal images, symmetric, not negative. Differentiable.
  /// Throws UsageError for other images, when there are not as many of b or of another size, and
  /// when they are smaller than min_size().
  at::Tensor distance(const at::Tensor& a, const at::Tensor& b) const;

  /// Pixels a side that the backbone needs.
  int64_t min_size() const { return min_size_; }
  const std::string& backbone() const { return backbone_; }
  const std::string& backbone_sha256() const { return backbone_sha256_; }
  const std::string& heads_sha256() const { return heads_sha256_; }

  /// One step of a backbone; convolutions end in a relu.
  struct Step {
    enum class Kind { kPad, kConvolution, kFire, kPool };
    Kind kind;
    int64_t index = 0;               ///< of the layer in torchvision's "features"
    int64_t channels = 0;            ///< of a fire: of each of its two expansions
    int64_t squeezed = 0;            ///< channels between, of a fire
    int64_t kernel = 3, stride = 1;  ///< kPad: `kernel` zeros on every side
    Padding padding = Padding::kSame;
    bool is_rounded_up = false;  ///< pools: windows may reach over the edge
    bool is_tapped = false;      ///< its output is one of the f_l
  };

 private:
  struct LoadedStep {
    Step step;
    std::vector<Convolution> convolutions;
    at::Tensor operator()(const at::Tensor& x) const;
  };
  std::vector<at::Tensor> taps(const at::Tensor& inputs) const;
  at::Tensor distance_of_inputs(const at::Tensor& a, const at::Tensor& b) const;

  std::string backbone_, backbone_sha256_, heads_sha256_;
  int64_t min_size_ = 0;
  std::vector<LoadedStep> steps_;
  std::vector<at::Tensor> heads_;  // [1,C,1,1] each
};

}  // namespace equipoise::nets
