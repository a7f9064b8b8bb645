#include "metrics/kid.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/error.h"
#include "metrics/intervals.h"
#include "metrics/metric.h"
#include "metrics/row_order.h"

namespace equipoise::metrics {
namespace {

constexpr int64_t kFewestSamples = 3;
constexpr int64_t kFewestReferences = 2;

void check_sets(const at::Tensor& samples, const at::Tensor& references) {
  check_rows(samples, kAny, "samples");
  check_rows(references, samples.size(1), "references");
  if (samples.size(0) >= kFewestSamples && references.size(0) >= kFewestReferences) return;
  throw UsageError(
      {.where = "kernel distance",
       .what = "too few images",
       .got = fmt::format("{} samples and {} references", samples.size(0), references.size(0)),
       .expected = fmt::format("{} and {} at least", kFewestSamples, kFewestReferences),
       .hint = ""});
}

at::Tensor kernel(const Block& a, const Block& b) {
  return at::mm(a.rows, b.rows.t()).div_(a.rows.size(1)).add_(1).pow_(3);
}

/// sum_j k(a_i, b_j): [N].
at::Tensor sums_across(const at::Tensor& a, const at::Tensor& b, int64_t budget_bytes) {
  at::Tensor sums = at::zeros({a.size(0)}, at::kDouble);
  for_each_block_pair(a, b, budget_bytes, [&](const Block& of_a, const Block& of_b) {
    sums.slice(0, of_a.first, of_a.last) += kernel(of_a, of_b).sum(1);
  });
  return sums;
}

/// sum_{j != i} k(a_i, a_j): [N]. Blocks off the diagonal serve both their rows and their columns.
at::Tensor sums_within(const at::Tensor& a, int64_t budget_bytes) {
  at::Tensor sums = at::zeros({a.size(0)}, at::kDouble);
  for_each_block_pair(a, a, budget_bytes, [&](const Block& rows, const Block& columns) {
    if (columns.first < rows.first) return;
    at::Tensor block = kernel(rows, columns);
    if (columns.first == rows.first) {
      block.fill_diagonal_(0);
    } else {
      sums.slice(0, columns.first, columns.last) += block.sum(0);
    }
    sums.slice(0, rows.first, rows.last) += block.sum(1);
  });
  return sums;
}

}  // namespace

KernelDistance kernel_distance(const at::Tensor& samples, const at::Tensor& references,
                               int64_t budget_bytes) {
  check_sets(samples, references);
  const double n = static_cast<double>(samples.size(0));
  const double m = static_cast<double>(references.size(0));
  const at::Tensor within = sums_within(samples, budget_bytes);
  const at::Tensor across = sums_across(samples, references, budget_bytes) / m;
  const double total_within = within.sum().item<double>();
  const double total_across = across.sum().item<double>();
  const double of_references =
      sums_within(references, budget_bytes).sum().item<double>() / (m * (m - 1));
  // The distance without sample i, but for the references' own term.
  const at::Tensor left_out =
      (total_within - 2 * within) / ((n - 1) * (n - 2)) - 2 * (total_across - across) / (n - 1);
  return {.value = total_within / (n * (n - 1)) + of_references - 2 * total_across / n,
          .standard_error = std::sqrt((n - 1) * left_out.var(/*unbiased=*/false).item<double>())};
}

KernelBlocks kernel_distance_blocks(const at::Tensor& samples, const at::Tensor& references,
                                    const KernelBlockOptions& options) {
  check_sets(samples, references);
  const int64_t size = std::min({options.block_size, samples.size(0), references.size(0)});
  const at::Tensor sample_order = content_order(samples);
  const at::Tensor reference_order = content_order(references);
  const auto part = [&](const at::Tensor& rows, const at::Tensor& order, int64_t block,
                        uint32_t stream_part) {
    const RandomStream stream(options.seed, Purpose::kBootstrap, block, stream_part);
    return rows.index_select(0, random_part(order, size, stream));
  };
  std::vector<double> values;
  for (int64_t block = 0; block < options.num_blocks; ++block) {
    values.push_back(kernel_distance(part(samples, sample_order, block, 50),
                                     part(references, reference_order, block, 51))
                         .value);
  }
  const at::Tensor of_blocks = at::tensor(values, at::kDouble);
  return {.mean = of_blocks.mean().item<double>(),
          .standard_deviation = of_blocks.std(/*unbiased=*/false).item<double>(),
          .num_blocks = options.num_blocks,
          .block_size = size};
}

namespace {

struct KernelDistanceOptions {
  int64_t blocks = 100;
  int64_t block_size = 1000;
  void fields(FieldVisitor& f) {
    f("blocks", blocks, "count", "random blocks behind `blocks.mean`", {1, 100000});
    f("block_size", block_size, "images", "rows of either set a block", {kFewestSamples, 1e6});
  }
};

class KernelDistanceMetric : public Metric {
 public:
  explicit KernelDistanceMetric(const KernelDistanceOptions& options) : options_(options) {}

  std::string missing(const MetricInput& input) const override {
    return name_missing({{"sample_features", input.sample_features, kFewestSamples},
                         {"reference_features", input.reference_features, kFewestReferences}});
  }

  nlohmann::ordered_json measure(const MetricInput& input) const override {
    const KernelDistance whole = kernel_distance(input.sample_features, input.reference_features);
    const KernelBlocks blocks = kernel_distance_blocks(
        input.sample_features, input.reference_features,
        {.num_blocks = options_.blocks, .block_size = options_.block_size, .seed = input.seed});
    nlohmann::ordered_json json{
        {"name", input.features_are_fid_inception ? "kernel distance (KID)" : "kernel distance"}};
    json.update(
        to_json(normal_interval(whole.value, whole.standard_error, input.level, "jackknife")));
    json["blocks"] = {{"mean", blocks.mean},
                      {"sd", blocks.standard_deviation},
                      {"num", blocks.num_blocks},
                      {"size", blocks.block_size}};
    json["recipe"] = {{"features", input.feature_recipe},
                      {"num_features", input.sample_features.size(1)},
                      {"num_samples", input.sample_features.size(0)},
                      {"num_reference", input.reference_features.size(0)},
                      {"dtype", "float64"},
                      {"kernel", "(x.y / num_features + 1)^3"},
                      {"estimator", "unbiased; value over all pairs, blocks as published"},
                      {"sd", "over blocks, divided by num"},
                      {"resampled", "samples only"}};
    return json;
  }

 private:
  KernelDistanceOptions options_;
};

const bool kRegistered = register_metric<KernelDistanceMetric, KernelDistanceOptions>(
    {.name = "kid",
     .summary = "Kernel distance between the features of samples and reference; unbiased for any "
                "number of samples.",
     .source = "Bińkowski et al. 2018 (arXiv:1801.01401)",
     .use_when = "For small sets, or sets of different size, where the Fréchet distance is mostly "
                 "its floor; published KIDs are `blocks.mean`."},
    /*headline=*/"/value", /*ideal=*/std::nullopt, Better::kLower);

}  // namespace
}  // namespace equipoise::metrics
