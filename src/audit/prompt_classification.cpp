#include "audit/prompt_classification.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"
#include "metrics/separation.h"

namespace equipoise::audit {
namespace {

constexpr int64_t kNumBins = 10;

/// Right answers of each group, which a resampling of images within groups turns into binomials.
struct GroupResult {
  int64_t right = 0;
  int64_t count = 0;
  double accuracy() const { return static_cast<double>(right) / static_cast<double>(count); }
};

std::vector<GroupResult> results_of(const metrics::ConfusionMatrix& confusion,
                                    const std::vector<std::string>& names) {
  std::vector<GroupResult> groups;
  for (size_t g = 0; g < confusion.size(); ++g) {
    groups.push_back({confusion[g][g], metrics::total(confusion[g])});
    if (groups.back().count == 0)
      throw UsageError({.where = "prompt classification",
                        .what = "a group has no images",
                        .got = names[g],
                        .expected = "images of every group",
                        .hint = ""});
  }
  return groups;
}

double gap_of(const std::vector<double>& accuracies) {
  const auto [low, high] = std::minmax_element(accuracies.begin(), accuracies.end());
  return *high - *low;
}

metrics::Interval accuracy_gap(const std::vector<GroupResult>& groups,
                               const metrics::BootstrapOptions& bootstrap) {
  std::vector<double> found;
  for (const GroupResult& group : groups) found.push_back(group.accuracy());
  const auto replicate = [&](RandomStream& stream) {
    std::vector<double> accuracies;
    for (const GroupResult& group : groups) {
      const std::vector<int64_t> drawn =
          metrics::resample_counts({group.right, group.count - group.right}, group.count, stream);
      accuracies.push_back(static_cast<double>(drawn[0]) / static_cast<double>(group.count));
    }
    return gap_of(accuracies);
  };
  return metrics::centred_interval(
      gap_of(found), metrics::bootstrap_replicates(replicate, bootstrap), bootstrap.level);
}

/// Largest weight of every image and whether it was right, by bin.
struct Confidence {
  std::vector<double> weight;
  std::vector<bool> is_right;
  std::vector<size_t> bin;
};

Confidence confidence_of(const at::Tensor& scores, const at::Tensor& predicted,
                         const at::Tensor& labels) {
  Confidence result;
  result.weight = metrics::to_vector(std::get<0>(scores.to(at::kDouble).max(1)));
  const at::Tensor right = predicted.eq(labels).contiguous();
  result.is_right.assign(right.data_ptr<bool>(), right.data_ptr<bool>() + right.numel());
  for (const double weight : result.weight)
    result.bin.push_back(static_cast<size_t>(
        std::clamp<int64_t>(static_cast<int64_t>(weight * kNumBins), 0, kNumBins - 1)));
  return result;
}

/// sum_b |sum over b of (right - weight)| / N, on the images `rows`.
double calibration_error(const Confidence& confidence, const std::vector<size_t>& rows) {
  double excess[kNumBins] = {};
  for (const size_t i : rows)
    excess[confidence.bin[i]] += (confidence.is_right[i] ? 1 : 0) - confidence.weight[i];
  double sum = 0;
  for (const double value : excess) sum += std::abs(value);
  return sum / static_cast<double>(rows.size());
}

metrics::Interval calibration_interval(const Confidence& confidence,
                                       const metrics::BootstrapOptions& bootstrap) {
  const size_t count = confidence.weight.size();
  std::vector<size_t> rows(count);
  for (size_t i = 0; i < count; ++i) rows[i] = i;
  const double value = calibration_error(confidence, rows);
  const auto replicate = [&](RandomStream& stream) {
    for (size_t& row : rows) row = stream.below(count);
    return calibration_error(confidence, rows);
  };
  return metrics::centred_interval(value, metrics::bootstrap_replicates(replicate, bootstrap),
                                   bootstrap.level);
}

std::vector<CalibrationBin> bins_of(const Confidence& confidence, double level) {
  std::vector<CalibrationBin> bins(kNumBins);
  std::vector<int64_t> right(kNumBins, 0);
  for (size_t i = 0; i < confidence.weight.size(); ++i) {
    CalibrationBin& bin = bins[confidence.bin[i]];
    ++bin.count;
    bin.mean_weight += confidence.weight[i];
    right[confidence.bin[i]] += confidence.is_right[i] ? 1 : 0;
  }
  for (size_t b = 0; b < bins.size(); ++b) {
    bins[b].low = static_cast<double>(b) / kNumBins;
    bins[b].high = static_cast<double>(b + 1) / kNumBins;
    if (bins[b].count == 0) continue;
    bins[b].mean_weight /= static_cast<double>(bins[b].count);
    bins[b].accuracy = metrics::wilson_interval(right[b], bins[b].count, level);
  }
  return bins;
}

/// Score of a group less the mean of all.
at::Tensor margin_of(const at::Tensor& scores, int64_t group) {
  const at::Tensor exact = scores.to(at::kDouble);
  return exact.select(1, group) - exact.mean(1);
}

}  // namespace

PromptClassification judge_classification(const ClassifiedImages& images,
                                          const ProbeOptions& options) {
  const auto num_groups = static_cast<int64_t>(images.group_names.size());
  check_shape(images.scores, {images.labels.size(0), num_groups}, "scores");
  const at::Tensor predicted = images.scores.argmax(1);
  PromptClassification result{
      .confusion = metrics::confusion_matrix(images.labels, predicted, num_groups),
      .numbers = {},
      .calibration = {}};
  const std::vector<GroupResult> groups = results_of(result.confusion, images.group_names);
  const metrics::BootstrapOptions bootstrap{.seed = options.seed, .level = options.level};
  const auto add = [&](const std::string& name, const metrics::Interval& interval,
                       const std::string& not_said) {
    result.numbers.push_back({images.method + ": " + name, interval, images.recipe, not_said});
  };
  add("accuracy", metrics::accuracy(result.confusion, options.level),
      "High accuracy does not mean a fair model, nor low accuracy an unfair one: it says how well "
      "the prompts part these images.");
  for (size_t g = 0; g < groups.size(); ++g)
    add("accuracy on '" + images.group_names[g] + "'",
        metrics::wilson_interval(groups[g].right, groups[g].count, options.level),
        "It depends on the prompts' wording as much as on the images.");
  // Of two groups one says it for both.
  const int64_t num_parted = num_groups == 2 ? 1 : num_groups;
  for (int64_t g = 0; g < num_parted; ++g) {
    const at::Tensor margin = margin_of(images.scores, g), is_member = images.labels.eq(g);
    add("AUROC of '" + images.group_names[static_cast<size_t>(g)] + "'",
        metrics::separation(margin.masked_select(is_member),
                            margin.masked_select(is_member.logical_not()), options.level),
        "Answers that rank images well may still lie on one side of the threshold: accuracy says "
        "that.");
  }
  add("accuracy gap between groups", accuracy_gap(groups, bootstrap),
      "A gap does not say whether images or prompts of a group are at fault.");
  if (!images.are_probabilities) return result;
  const Confidence confidence = confidence_of(images.scores, predicted, images.labels);
  add("calibration error", calibration_interval(confidence, bootstrap),
      "A small error does not make single weights right, and it is above 0 by chance even for "
      "exact posteriors.");
  result.calibration = bins_of(confidence, options.level);
  return result;
}

nlohmann::ordered_json to_json(const PromptClassification& result) {
  nlohmann::ordered_json json{{"confusion", result.confusion},
                              {"numbers", to_json(result.numbers)},
                              {"calibration", nlohmann::ordered_json::array()}};
  for (const CalibrationBin& bin : result.calibration)
    if (bin.count > 0)
      json["calibration"].push_back({{"low", bin.low},
                                     {"high", bin.high},
                                     {"count", bin.count},
                                     {"mean_weight", bin.mean_weight},
                                     {"accuracy", metrics::to_json(bin.accuracy)}});
  return json;
}

}  // namespace equipoise::audit
