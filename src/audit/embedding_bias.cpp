#include "audit/embedding_bias.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/check.h"

namespace equipoise::audit {
namespace {

constexpr double kSmallestCosine = 0.05;
constexpr double kCosineRounding = 1e-6;  // of float32 vectors

/// Of a number that is known exactly.
metrics::Interval exactly(double value) {
  metrics::Interval interval;
  interval.value = interval.low = interval.high = value;
  interval.level = 1;
  interval.method = "exact";
  return interval;
}

double cosine(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.to(at::kDouble), y = b.to(at::kDouble);
  const double length = x.norm().item<double>() * y.norm().item<double>();
  return length > 0 ? x.dot(y).item<double>() / length : 0;
}

}  // namespace

EmbeddingBias embedding_bias(const at::Tensor& word, const at::Tensor& first,
                             const at::Tensor& second) {
  const double to_first = cosine(word, first), to_second = cosine(word, second);
  EmbeddingBias bias{.difference = to_first - to_second, .ratio = std::nullopt};
  if (to_first >= kSmallestCosine && to_second >= kSmallestCosine)
    bias.ratio = to_first / to_second;
  return bias;
}

OutputBias output_bias(const at::Tensor& weights, double tolerance, const ProbeOptions& options) {
  check_shape(weights, {kAny, 2}, "class weights");
  const at::Tensor difference = (weights.select(1, 0) - weights.select(1, 1)).to(at::kDouble);
  OutputBias bias{.share = metrics::wilson_interval(difference.gt(0).sum().item<int64_t>(),
                                                    difference.size(0), options.level),
                  .balance = metrics::mean_interval(
                      difference.contiguous(), {.seed = options.seed, .level = options.level})};
  bias.is_balanced = -tolerance <= bias.balance.low && bias.balance.high <= tolerance;
  return bias;
}

std::optional<LinearFit> relate(const std::vector<BiasPoint>& points, double level) {
  if (points.size() < 3) return std::nullopt;
  std::vector<double> x, y;
  for (const BiasPoint& point : points) {
    x.push_back(point.embedding.difference);
    y.push_back(point.output.share.value - 0.5);
  }
  const auto [least, most] = std::minmax_element(x.begin(), x.end());
  if (*most - *least < kCosineRounding) return std::nullopt;
  return fit_line(x, y, level);
}

nlohmann::ordered_json to_json(const BiasPoint& point) {
  nlohmann::ordered_json json{{"word", point.word},
                              {"embedding_difference", point.embedding.difference},
                              {"embedding_ratio", nullptr},
                              {"share", metrics::to_json(point.output.share)},
                              {"balance", metrics::to_json(point.output.balance)},
                              {"is_balanced", point.output.is_balanced}};
  if (point.embedding.ratio) json["embedding_ratio"] = *point.embedding.ratio;
  return json;
}

std::vector<AuditNumber> bias_numbers(const std::vector<BiasPoint>& points,
                                      const std::string& first, const std::string& second) {
  std::vector<AuditNumber> numbers;
  for (const BiasPoint& point : points) {
    const double delta = point.embedding.difference;
    numbers.push_back(
        {.name =
             fmt::format("vector of '{}': cosine to '{}' less to '{}'", point.word, first, second),
         .interval = exactly(delta),
         .recipe = "the model's own projected vectors",
         .not_said = "Another draw of the projection gives another number: differences below about "
                     "0.1 at 128 dimensions may be the projection's."});
    numbers.push_back({.name = fmt::format("share of '{}' for '{}'", first, point.word),
                       .interval = point.output.share,
                       .recipe = point.recipe,
                       .not_said = "The share is the judge's: its own errors are in it."});
    numbers.push_back(
        {.name = fmt::format("balance of '{}' and '{}' for '{}'", first, second, point.word),
         .interval = point.output.balance,
         .recipe = point.recipe,
         .not_said = "A balance of 0 does not mean that single images are neutral: opposite "
                     "images cancel."});
  }
  return numbers;
}

}  // namespace equipoise::audit
