#include "reweight/ratio_training.h"

#include <algorithm>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/error.h"
#include "core/random.h"
#include "diffusion/per_item.h"
#include "diffusion/vp_time.h"

namespace equipoise::reweight {
namespace {

constexpr int64_t kItemsPerCall = 256;

// -log d for reference items, -log(1 - d) for biased ones: softplus of the logit with the label's
// sign.
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& labels) {
  return at::binary_cross_entropy_with_logits(logits, labels.to(logits.options()), {}, {},
                                              at::Reduction::None);
}

at::Tensor draw_sigma(const RatioLaw& law, uint64_t seed, const at::Tensor& image_numbers,
                      Purpose purpose) {
  if (law.time_law == "denoiser")
    return law.denoiser_noise.draw(seed, image_numbers, purpose).to(at::kDouble);
  return diffusion::draw_ratio_sigma(diffusion::parse_ratio_time_law(law.time_law), seed,
                                     image_numbers, purpose);
}

double class_mean(const at::Tensor& losses, const at::Tensor& is_member, const char* name) {
  const at::Tensor members = losses.masked_select(is_member);
  if (members.numel() == 0) {
    throw UsageError({.where = "held-out images",
                      .what = std::string("no ") + name + " image",
                      .got = "",
                      .expected = "at least one of each set",
                      .hint = "hold out more images"});
  }
  return members.to(at::kDouble).mean().item<double>();
}

}  // namespace

RatioInput make_ratio_input(const at::Tensor& clean, const at::Tensor& image_numbers, uint64_t seed,
                            const RatioLaw& law, RatioDraw draw) {
  check_shape(image_numbers, {clean.size(0)}, "image_numbers");
  if (!law.time_dependent) return {clean, at::zeros({clean.size(0)}, clean.options())};
  const bool is_training = draw == RatioDraw::kTraining;
  const at::Tensor sigma = draw_sigma(law, seed, image_numbers,
                                      is_training ? Purpose::kRatioTime : Purpose::kEvaluation);
  const at::Tensor noise =
      random_normal(seed, is_training ? Purpose::kRatioNoise : Purpose::kEvaluation, image_numbers,
                    clean.sizes().slice(1), is_training ? 0 : 1);
  const at::Tensor scale = diffusion::vp_scale(sigma);
  const at::Tensor time = diffusion::network_time(diffusion::parse_time_map(law.time_map), sigma);
  const at::Tensor z = diffusion::per_item(scale, clean) * clean +
                       diffusion::per_item(scale * sigma, clean) * noise.to(clean.device());
  return {z, time.to(clean.options())};
}

at::Tensor ratio_losses(nets::DiscriminatorNetwork& network, const RatioItems& items, uint64_t seed,
                        const RatioLaw& law) {
  check_shape(items.labels, {items.clean.size(0)}, "labels");
  const RatioInput input = make_ratio_input(items.clean, items.image_numbers, seed, law);
  return cross_entropy(network.logit(input.z, input.time, items.class_labels), items.labels);
}

double heldout_bce(nets::DiscriminatorNetwork& network, const at::Tensor& clean,
                   const at::Tensor& labels, uint64_t seed, const RatioLaw& law,
                   const at::Tensor& class_labels) {
  check_shape(labels, {clean.size(0)}, "labels");
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> losses;
  for (int64_t start = 0; start < clean.size(0); start += kItemsPerCall) {
    const int64_t end = std::min(start + kItemsPerCall, clean.size(0));
    const RatioInput input =
        make_ratio_input(clean.slice(0, start, end), at::arange(start, end, at::kLong), seed, law,
                         RatioDraw::kHeldOut);
    const at::Tensor classes =
        class_labels.defined() ? class_labels.slice(0, start, end) : class_labels;
    losses.push_back(
        cross_entropy(network.logit(input.z, input.time, classes), labels.slice(0, start, end)));
  }
  const at::Tensor all = at::cat(losses);
  const at::Tensor is_reference = labels.to(all.device()) > 0.5;
  return 0.5 * class_mean(all, is_reference, "reference") +
         0.5 * class_mean(all, is_reference.logical_not(), "biased");
}

}  // namespace equipoise::reweight
