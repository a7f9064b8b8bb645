#include "reweight/posterior_ratio.h"

#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/libtorch.h"
#include "data/image_set.h"
#include "nets/ops.h"

namespace equipoise::reweight {
namespace {

constexpr int64_t kImagesPerCall = 256;

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
  const at::NoGradGuard no_grad;
  const at::Tensor images = at::cat({biased, reference});
  std::vector<at::Tensor> probabilities, half_squares;
  for (const at::Tensor& some : images.split(kImagesPerCall)) {
    const at::Tensor x = data::normalised(some);
    probabilities.push_back(of_clean.log_ratio(x, at::zeros({x.size(0)}, x.options())).sigmoid());
    half_squares.push_back(0.5 * x.flatten(1).square().sum(1));
  }
  images_ = images.flatten(1);
  probability_ = at::cat(probabilities);
  half_square_ = at::cat(half_squares);
  log_weight_ = -at::cat(
      {at::full({biased.size(0)}, std::log(biased.size(0)), half_square_.options()),
       at::full({reference.size(0)}, std::log(reference.size(0)), half_square_.options())});
}

/// x . x_j, for bytes up to a number that is the same for all images.
at::Tensor PosteriorRatio::products(const at::Tensor& rows) const {
  if (images_.scalar_type() == at::kByte) return nets::byte_products(rows / 127.5, images_);
  return rows.mm(images_.t());
}

// What is the same for all images is left out: |x|^2 / 2 sigma^2, and for bytes the sum over x.
at::Tensor PosteriorRatio::log_ratio(const at::Tensor& x, const at::Tensor& sigma,
                                     const at::Tensor&) const {
  const at::Tensor rows = x.flatten(1);
  const at::Tensor precision = sigma.to(rows.options()).square().reciprocal().unsqueeze(1);
  const at::Tensor shares = ((products(rows) - half_square_) * precision + log_weight_).softmax(1);
  return shares.mv(probability_).log() - shares.mv(1 - probability_).log();
}

}  // namespace equipoise::reweight
