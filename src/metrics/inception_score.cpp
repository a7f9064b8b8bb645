#include "metrics/inception_score.h"

#include <cmath>
#include <vector>

#include <ATen/ATen.h>

#include "core/check.h"
#include "metrics/metric.h"
#include "metrics/row_order.h"

namespace equipoise::metrics {
namespace {

/// What the score needs of each sample.
struct Predictions {
  at::Tensor probabilities;       ///< [N,K]
  at::Tensor negative_entropies;  ///< [N] sum_y p log p
};

Predictions predictions_of(const at::Tensor& logits) {
  check_shape(logits, {kAny, kAny}, "sample_logits");
  check_range(static_cast<double>(logits.size(0)), 1, INFINITY, "number of samples");
  check_finite(logits, "sample_logits");
  const at::Tensor log_probabilities = at::log_softmax(logits.to(at::kCPU, at::kDouble), 1);
  const at::Tensor probabilities = log_probabilities.exp();
  return {.probabilities = probabilities,
          .negative_entropies = (probabilities * log_probabilities).sum(1)};
}

/// The score with sample i counted weights[i] times; weights [N] float64 sum to 1.
double weighted_score(const Predictions& predictions, const at::Tensor& weights) {
  const at::Tensor marginal = at::mv(predictions.probabilities.t(), weights);
  return std::exp(
      (at::dot(predictions.negative_entropies, weights) - at::xlogy(marginal, marginal).sum())
          .item<double>());
}

at::Tensor equal_weights(int64_t num_samples) {
  return at::full({num_samples}, 1.0 / static_cast<double>(num_samples), at::kDouble);
}

}  // namespace

double predicted_class_score(const at::Tensor& logits) {
  const Predictions predictions = predictions_of(logits);
  return weighted_score(predictions, equal_weights(logits.size(0)));
}

Interval predicted_class_interval(const at::Tensor& logits, const BootstrapOptions& options) {
  const Predictions predictions = predictions_of(logits);
  const int64_t num_samples = logits.size(0);
  const std::vector<int64_t> each_once(num_samples, 1);
  const auto score_of_draw = [&](RandomStream& stream) {
    const at::Tensor counts =
        at::tensor(resample_counts(each_once, num_samples, stream), at::kDouble);
    return weighted_score(predictions, counts / static_cast<double>(num_samples));
  };
  return centred_interval(weighted_score(predictions, equal_weights(num_samples)),
                          bootstrap_replicates(score_of_draw, options), options.level);
}

ScoreSplits predicted_class_splits(const at::Tensor& logits, int64_t num_splits, uint64_t seed) {
  check_shape(logits, {kAny, kAny}, "sample_logits");
  const int64_t num_samples = logits.size(0);
  check_range(static_cast<double>(num_splits), 1, static_cast<double>(num_samples), "num_splits");
  const at::Tensor order = random_part(content_order(logits), num_samples,
                                       RandomStream(seed, Purpose::kBootstrap, 0, /*part=*/60));
  std::vector<double> scores;
  for (int64_t i = 0; i < num_splits; ++i) {
    const at::Tensor part =
        order.slice(0, i * num_samples / num_splits, (i + 1) * num_samples / num_splits);
    scores.push_back(predicted_class_score(logits.index_select(0, part)));
  }
  const at::Tensor of_splits = at::tensor(scores, at::kDouble);
  return {.mean = of_splits.mean().item<double>(),
          .standard_deviation = of_splits.std(/*unbiased=*/false).item<double>(),
          .num_splits = num_splits};
}

namespace {

struct InceptionScoreOptions {
  int64_t splits = 10;
  int64_t bootstrap = 200;
  void fields(FieldVisitor& f) {
    f("splits", splits, "count", "random parts behind `splits.mean`", {1, 10000});
    f("bootstrap", bootstrap, "count", "resamplings of the samples behind the interval",
      {20, 100000});
  }
};

class InceptionScore : public Metric {
 public:
  explicit InceptionScore(const InceptionScoreOptions& options) : options_(options) {}

  std::string missing(const MetricInput& input) const override {
    return name_missing({{"sample_logits", input.sample_logits, options_.splits}});
  }

  nlohmann::ordered_json measure(const MetricInput& input) const override {
    const at::Tensor& logits = input.sample_logits;
    const ScoreSplits splits = predicted_class_splits(logits, options_.splits, input.seed);
    nlohmann::ordered_json json{
        {"name", input.logits_are_fid_inception ? "Inception score" : "predicted-class score"}};
    json.update(to_json(predicted_class_interval(logits, {.num_replicates = options_.bootstrap,
                                                          .seed = input.seed,
                                                          .part = 70,
                                                          .level = input.level})));
    json["splits"] = {
        {"mean", splits.mean}, {"sd", splits.standard_deviation}, {"num", splits.num_splits}};
    json["recipe"] = {{"classifier", input.logit_recipe}, {"num_classes", logits.size(1)},
                      {"num_samples", logits.size(0)},    {"dtype", "float64"},
                      {"value", "all samples at once"},   {"sd", "over splits, divided by num"}};
    return json;
  }

 private:
  InceptionScoreOptions options_;
};

const bool kRegistered = register_metric<InceptionScore, InceptionScoreOptions>(
    {.name = "inception_score",
     .summary = "Exponential of the mean divergence of a classifier's answers from their average: "
                "sure and varied answers score high.",
     .source = "Salimans et al. 2016 (arXiv:1606.03498), Sec. 4",
     .use_when = "To compare with published Inception scores (`splits.mean`); it sees no bias and "
                 "no lost mode within a class, so prefer frechet and shares."},
    /*headline=*/"/value", /*ideal=*/std::nullopt, Better::kHigher);

}  // namespace
}  // namespace equipoise::metrics
