#include "reweight/posterior_ratio.h"

#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/libtorch.h"

namespace equipoise::reweight {
namespace {

constexpr int64_t kImagesPerCall = 256;

at::Tensor probabilities(const diffusion::DensityRatio& of_clean, const at::Tensor& images) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> parts;
  for (const at::Tensor& some : images.split(kImagesPerCall))
    parts.push_back(of_clean.log_ratio(some, at::zeros({some.size(0)}, some.options())).sigmoid());
  return at::cat(parts);
}

void check_not_empty(const at::Tensor& images, const char* set) {
  if (images.size(0) > 0) return;
  throw UsageError({.where = "posterior ratio",
                    .what = std::string("the ") + set + " set is empty",
                    .got = "0 images",
                    .expected = "at least one"});
}

}  // namespace

PosteriorRatio::PosteriorRatio(const diffusion::DensityRatio& of_clean, const at::Tensor& biased,
                               const at::Tensor& reference) {
  check_not_empty(biased, "biased");
  check_not_empty(reference, "reference");
  const at::Tensor images = at::cat({biased, reference});
  probability_ = probabilities(of_clean, images);
  const at::Tensor rows = images.flatten(1);
  images_ = rows.t();
  half_square_ = 0.5 * rows.square().sum(1);
  log_weight_ =
      -at::cat({at::full({biased.size(0)}, std::log(biased.size(0)), rows.options()),
                at::full({reference.size(0)}, std::log(reference.size(0)), rows.options())});
}

// |x|^2 / 2 sigma^2 is the same for all images and left out.
at::Tensor PosteriorRatio::log_ratio(const at::Tensor& x, const at::Tensor& sigma,
                                     const at::Tensor&) const {
  const at::Tensor rows = x.flatten(1);
  const at::Tensor precision = sigma.to(rows.options()).square().reciprocal().unsqueeze(1);
  const at::Tensor shares =
      ((rows.mm(images_) - half_square_) * precision + log_weight_).softmax(1);
  return shares.mv(probability_).log() - shares.mv(1 - probability_).log();
}

}  // namespace equipoise::reweight
