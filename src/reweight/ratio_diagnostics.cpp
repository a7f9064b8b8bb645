#include "reweight/ratio_diagnostics.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"
#include "core/random.h"
#include "diffusion/per_item.h"

namespace equipoise::reweight {
namespace {

constexpr int64_t kItemsPerCall = 256;
constexpr int64_t kNumCalibrationBins = 10;
constexpr int64_t kNumHistogramBins = 20;
constexpr double kMaxWeight = 2;
constexpr double kFaintWeight = 0.01;
// Noise for this item stream part; part 0 belongs to the noise levels of held-out losses.
constexpr uint32_t kNoisePart = 1;

/// Log ratios of both sets at one noise level, float64 on the CPU.
struct LogRatios {
  at::Tensor biased;
  at::Tensor reference;
};

at::Tensor log_ratios(const diffusion::DensityRatio& ratio, const at::Tensor& clean,
                      const at::Tensor& labels, double sigma, uint64_t seed, int64_t first_number) {
  std::vector<at::Tensor> parts;
  for (int64_t start = 0; start < clean.size(0); start += kItemsPerCall) {
    const int64_t end = std::min(start + kItemsPerCall, clean.size(0));
    const at::Tensor items = clean.slice(0, start, end);
    const at::Tensor numbers = at::arange(items.size(0), at::kLong) + (first_number + start);
    const at::Tensor noise =
        random_normal(seed, Purpose::kEvaluation, numbers, items.sizes().slice(1), kNoisePart);
    const at::Tensor levels = at::full({items.size(0)}, sigma, items.options());
    const at::Tensor classes = labels.defined() ? labels.slice(0, start, end) : at::Tensor();
    parts.push_back(ratio.log_ratio(items + sigma * noise.to(items.device()), levels, classes)
                        .to(at::kCPU, at::kDouble));
  }
  const at::Tensor all = at::cat(parts);
  check_finite(all, "log density ratio at sigma " + std::to_string(sigma));
  return all;
}

/// A mean and its standard error.
struct Estimate {
  double mean;
  double error;
};

// Half from each set, whatever their sizes.
Estimate balanced_mean(const at::Tensor& biased, const at::Tensor& reference) {
  Estimate result{0, 0};
  for (const at::Tensor& values : {biased, reference}) {
    result.mean += 0.5 * values.mean().item<double>();
    result.error +=
        0.25 * values.var(/*unbiased=*/false).item<double>() / static_cast<double>(values.numel());
  }
  result.error = std::sqrt(result.error);
  return result;
}

std::vector<int64_t> count_weights(const at::Tensor& weights) {
  const at::Tensor counts = at::histc(weights, kNumHistogramBins, 0, kMaxWeight).to(at::kLong);
  return {counts.data_ptr<int64_t>(), counts.data_ptr<int64_t>() + counts.numel()};
}

WeightHistogram histogram_of(const at::Tensor& biased, const at::Tensor& reference) {
  WeightHistogram histogram;
  for (int64_t i = 0; i <= kNumHistogramBins; ++i)
    histogram.edges.push_back(kMaxWeight * static_cast<double>(i) / kNumHistogramBins);
  histogram.counts_biased = count_weights(biased);
  histogram.counts_reference = count_weights(reference);
  return histogram;
}

std::vector<double> quantiles_of(const at::Tensor& weights) {
  const at::Tensor sorted = std::get<0>(weights.sort());
  std::vector<double> result;
  for (const double level : kQuantiles) {
    const auto last = static_cast<double>(sorted.numel() - 1);
    result.push_back(sorted[static_cast<int64_t>(std::lround(level * last))].item<double>());
  }
  return result;
}

/// Sums of one calibration bin; an image's mass is 1/2 divided by the size of its set.
struct BinSums {
  double mass = 0, squared_mass = 0, predicted = 0, reference_mass = 0;
  int64_t count = 0;
};

std::vector<BinSums> fill_bins(const LogRatios& log_ratios) {
  std::vector<BinSums> bins(kNumCalibrationBins);
  for (const bool is_reference : {false, true}) {
    const at::Tensor probabilities =
        (is_reference ? log_ratios.reference : log_ratios.biased).sigmoid();
    const double mass = 0.5 / static_cast<double>(probabilities.numel());
    const auto values = probabilities.accessor<double, 1>();
    for (int64_t i = 0; i < values.size(0); ++i) {
      const auto bin =
          std::min(static_cast<int64_t>(values[i] * kNumCalibrationBins), kNumCalibrationBins - 1);
      BinSums& sums = bins[static_cast<size_t>(bin)];
      sums.mass += mass;
      sums.squared_mass += mass * mass;
      sums.predicted += mass * values[i];
      sums.reference_mass += is_reference ? mass : 0;
      ++sums.count;
    }
  }
  return bins;
}

void add_calibration(const LogRatios& log_ratios, RatioLevel& level) {
  for (const BinSums& sums : fill_bins(log_ratios)) {
    if (sums.count == 0) continue;
    const CalibrationBin bin{sums.predicted / sums.mass, sums.reference_mass / sums.mass,
                             sums.count};
    level.calibration.push_back(bin);
    const double error = std::sqrt(bin.predicted * (1 - bin.predicted) * sums.squared_mass /
                                   (sums.mass * sums.mass));
    level.calibration_gap +=
        sums.mass * std::max(0.0, std::abs(bin.predicted - bin.observed) - 2 * error);
  }
}

RatioLevel measure_level(const LogRatios& log_ratios, double sigma) {
  const at::Tensor biased = 2 * log_ratios.biased.sigmoid();
  const at::Tensor reference = 2 * log_ratios.reference.sigmoid();
  const Estimate bce =
      balanced_mean(at::softplus(log_ratios.biased), at::softplus(-log_ratios.reference));
  const Estimate weight = balanced_mean(biased, reference);
  RatioLevel level;
  level.sigma = sigma;
  level.bce = bce.mean;
  level.bce_error = bce.error;
  level.accuracy = balanced_mean((log_ratios.biased <= 0).to(at::kDouble),
                                 (log_ratios.reference > 0).to(at::kDouble))
                       .mean;
  level.log_ratio_biased = log_ratios.biased.mean().item<double>();
  level.log_ratio_reference = log_ratios.reference.mean().item<double>();
  level.mean_weight = weight.mean;
  level.mean_weight_error = weight.error;
  const double mean_square = biased.square().mean().item<double>();
  level.ess_fraction =
      mean_square > 0 ? std::pow(biased.mean().item<double>(), 2) / mean_square : 0;
  level.faint_fraction = (biased < kFaintWeight).to(at::kDouble).mean().item<double>();
  level.weight_histogram = histogram_of(biased, reference);
  level.weight_quantiles = quantiles_of(biased);
  add_calibration(log_ratios, level);
  return level;
}

std::vector<double> levels_of(const DiagnosticOptions& options) {
  if (!options.time_dependent) return {0};
  std::vector<double> levels;
  const double span = std::log(options.sigma_max / options.sigma_min);
  const auto num_gaps = static_cast<double>(std::max<int64_t>(options.num_levels - 1, 1));
  for (int64_t i = 0; i < options.num_levels; ++i)
    levels.push_back(options.sigma_min * std::exp(span * static_cast<double>(i) / num_gaps));
  return levels;
}

void check_not_empty(const at::Tensor& images, const char* name) {
  if (images.defined() && images.dim() >= 2 && images.size(0) > 0) return;
  throw UsageError({.where = std::string("held-out ") + name + " images",
                    .what = "no image to examine the ratio on",
                    .got = describe(images),
                    .expected = "at least one",
                    .hint = "hold out more images"});
}

nlohmann::ordered_json level_to_json(const RatioLevel& level) {
  nlohmann::ordered_json calibration = nlohmann::ordered_json::array();
  for (const CalibrationBin& bin : level.calibration)
    calibration.push_back(
        {{"predicted", bin.predicted}, {"observed", bin.observed}, {"count", bin.count}});
  nlohmann::ordered_json quantiles = nlohmann::ordered_json::object();
  for (size_t i = 0; i < std::size(kQuantiles); ++i)
    quantiles[fmt::format("p{:02.0f}", 100 * kQuantiles[i])] = level.weight_quantiles[i];
  return {{"sigma", level.sigma},
          {"bce", level.bce},
          {"accuracy", level.accuracy},
          {"log_ratio_biased", level.log_ratio_biased},
          {"log_ratio_reference", level.log_ratio_reference},
          {"ess_fraction", level.ess_fraction},
          {"mean_weight", level.mean_weight},
          {"weight_histogram",
           {{"edges", level.weight_histogram.edges},
            {"counts_biased", level.weight_histogram.counts_biased},
            {"counts_reference", level.weight_histogram.counts_reference}}},
          {"weight_quantiles", quantiles},
          {"calibration", calibration}};
}

}  // namespace

RatioReport diagnose_ratio(const diffusion::DensityRatio& ratio, const at::Tensor& biased,
                           const at::Tensor& reference, const DiagnosticOptions& options) {
  check_not_empty(biased, "biased");
  check_not_empty(reference, "reference");
  const at::NoGradGuard no_grad;
  RatioReport report;
  report.name = options.name;
  report.kind = options.time_dependent ? "time_dependent" : "time_independent";
  for (const double sigma : levels_of(options)) {
    report.levels.push_back(measure_level(
        {.biased = log_ratios(ratio, biased, options.biased_labels, sigma, options.seed, 0),
         .reference = log_ratios(ratio, reference, options.reference_labels, sigma, options.seed,
                                 biased.size(0))},
        sigma));
    report.heldout_bce += report.levels.back().bce;
  }
  report.heldout_bce /= static_cast<double>(report.levels.size());
  report.findings = ratio_findings(report.levels);
  return report;
}

nlohmann::ordered_json RatioReport::to_json() const {
  nlohmann::ordered_json level_list = nlohmann::ordered_json::array();
  for (const RatioLevel& level : levels) level_list.push_back(level_to_json(level));
  return {{"name", name},
          {"kind", kind},
          {"heldout_bce", heldout_bce},
          {"levels", level_list},
          {"findings", findings}};
}

}  // namespace equipoise::reweight
