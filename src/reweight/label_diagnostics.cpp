#include "reweight/label_diagnostics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/check.h"
#include "core/random.h"

namespace equipoise::reweight {
namespace {

constexpr int64_t kItemsPerCall = 256;
constexpr int64_t kNumBins = 10;
constexpr double kRounding = 1e-4;  // of weights in float32
// Part 0 of the stream belongs to the noise levels of held-out losses.
constexpr uint32_t kNoisePart = 1;

struct Judged {
  at::Tensor weights;    ///< [N,K] float64 on the CPU
  at::Tensor unclamped;  ///< the same before clamping
};

Judged judge(const diffusion::PosteriorLabelWeights& weights, const at::Tensor& images,
             const at::Tensor& shown, double sigma, uint64_t seed) {
  std::vector<at::Tensor> judged, unclamped;
  for (int64_t start = 0; start < images.size(0); start += kItemsPerCall) {
    const at::Tensor items = images.slice(0, start, start + kItemsPerCall);
    const at::Tensor numbers = at::arange(start, start + items.size(0), at::kLong);
    const at::Tensor noise =
        random_normal(seed, Purpose::kEvaluation, numbers, items.sizes().slice(1), kNoisePart);
    const at::Tensor x = items + sigma * noise.to(items.device());
    const at::Tensor levels = at::full({items.size(0)}, sigma, items.options());
    const at::Tensor labels = shown.slice(0, start, start + kItemsPerCall);
    judged.push_back(weights.weights(x, levels, labels).to(at::kCPU, at::kDouble));
    unclamped.push_back(weights.unclamped(x, levels, labels).to(at::kCPU, at::kDouble));
  }
  return {at::cat(judged), at::cat(unclamped)};
}

std::vector<int64_t> counts_by_bin(const at::Tensor& own) {
  const at::Tensor counts = at::histc(own.clamp(0, 1), kNumBins, 0, 1).to(at::kLong);
  return {counts.data_ptr<int64_t>(), counts.data_ptr<int64_t>() + counts.numel()};
}

LabelLevel measure_level(const Judged& judged, const at::Tensor& truth, const at::Tensor& shown,
                         const LabelDiagnosticOptions& options, double sigma) {
  const at::Tensor own = judged.weights.gather(1, shown.unsqueeze(1)).squeeze(1);
  const at::Tensor is_right = truth.eq(shown);
  const at::Tensor right = own.masked_select(is_right),
                   wrong = own.masked_select(is_right.logical_not());
  const at::Tensor num_above = judged.weights.gt(options.skip_below).sum(1);
  const at::Tensor is_outside = judged.unclamped.lt(-kRounding)
                                    .logical_or(judged.unclamped.gt(1 + kRounding))
                                    .logical_or(judged.unclamped.isnan())
                                    .any(1);
  const auto mean = [](const at::Tensor& values) {
    return values.to(at::kDouble).mean().item<double>();
  };
  return {.sigma = sigma,
          .accuracy = mean(judged.weights.argmax(1).eq(truth)),
          .wrong_label_auroc = probability_below(wrong, right),
          .own_weight_right = counts_by_bin(right),
          .own_weight_wrong = counts_by_bin(wrong),
          .extra_calls = mean(num_above - own.gt(options.skip_below).to(at::kLong)),
          .clamped_share = mean(is_outside)};
}

}  // namespace

double probability_below(const at::Tensor& low, const at::Tensor& high) {
  if (low.numel() == 0 || high.numel() == 0) return std::numeric_limits<double>::quiet_NaN();
  const at::Tensor sorted = std::get<0>(low.contiguous().sort());
  const at::Tensor num_below = at::searchsorted(sorted, high.contiguous());
  const at::Tensor num_not_above =
      at::searchsorted(sorted, high.contiguous(), /*out_int32=*/false, /*right=*/true);
  return (num_below + num_not_above).to(at::kDouble).mean().item<double>() /
         (2 * static_cast<double>(low.numel()));
}

std::vector<LabelLevel> diagnose_label_weights(const diffusion::PosteriorLabelWeights& weights,
                                               const at::Tensor& images,
                                               const at::Tensor& true_labels,
                                               const at::Tensor& shown_labels,
                                               const LabelDiagnosticOptions& options) {
  check_shape(true_labels, {images.size(0)}, "true labels");
  check_shape(shown_labels, {images.size(0)}, "shown labels");
  const at::NoGradGuard no_grad;
  std::vector<LabelLevel> levels;
  for (const double sigma : options.sigmas)
    levels.push_back(measure_level(judge(weights, images, shown_labels, sigma, options.seed),
                                   true_labels.to(at::kCPU), shown_labels.to(at::kCPU), options,
                                   sigma));
  return levels;
}

nlohmann::ordered_json to_json(const std::vector<LabelLevel>& levels) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const LabelLevel& level : levels) {
    nlohmann::ordered_json entry{{"sigma", level.sigma},
                                 {"accuracy", level.accuracy},
                                 {"wrong_label_auroc", nullptr},
                                 {"own_weight_right", level.own_weight_right},
                                 {"own_weight_wrong", level.own_weight_wrong},
                                 {"extra_calls", level.extra_calls},
                                 {"clamped_share", level.clamped_share}};
    if (!std::isnan(level.wrong_label_auroc)) entry["wrong_label_auroc"] = level.wrong_label_auroc;
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace equipoise::reweight
