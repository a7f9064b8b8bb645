#include "metrics/shares.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"
#include "metrics/metric.h"

namespace equipoise::metrics {
namespace {

constexpr int kMaxRounds = 5000;
constexpr double kSettled = 1e-9;

void check_groups(const at::Tensor& groups, int64_t num_groups, const char* name) {
  check_shape(groups, {kAny}, name);
  if (groups.numel() == 0) return;
  check_range(static_cast<double>(groups.min().item<int64_t>()), 0,
              static_cast<double>(num_groups - 1), name);
  check_range(static_cast<double>(groups.max().item<int64_t>()), 0,
              static_cast<double>(num_groups - 1), name);
}

void check_agree(const Counts& counts, const ConfusionMatrix& confusion) {
  if (counts.size() == confusion.size()) return;
  throw UsageError({.where = "shares",
                    .what = "counts and confusion matrix differ in their number of groups",
                    .got = fmt::format("{} and {}", counts.size(), confusion.size()),
                    .expected = "the same classifier for both",
                    .hint = ""});
}

/// Of `observed` under the law of `shares`, up to a constant.
double log_likelihood(const std::vector<double>& shares, const std::vector<double>& observed,
                      const std::vector<std::vector<double>>& rates) {
  const std::vector<double> law = predicted_law(shares, rates);
  double sum = 0;
  for (size_t j = 0; j < law.size(); ++j)
    if (observed[j] > 0 && law[j] > 0) sum += observed[j] * std::log(law[j]);
  return sum;
}

/// One EM round; returns the largest change.
double improve(std::vector<double>& shares, const std::vector<double>& observed,
               const std::vector<std::vector<double>>& rates) {
  const size_t num_groups = shares.size();
  const std::vector<double> expected = predicted_law(shares, rates);
  std::vector<double> factor(num_groups, 0);
  for (size_t j = 0; j < num_groups; ++j) {
    if (expected[j] <= 0) continue;
    for (size_t g = 0; g < num_groups; ++g) factor[g] += observed[j] / expected[j] * rates[g][j];
  }
  double sum = 0;
  for (size_t g = 0; g < num_groups; ++g) sum += shares[g] * factor[g];
  double largest_change = 0;
  for (size_t g = 0; g < num_groups; ++g) {
    const double improved = shares[g] * factor[g] / sum;
    largest_change = std::max(largest_change, std::abs(improved - shares[g]));
    shares[g] = improved;
  }
  return largest_change;
}

/// shares = start - 2 a r + a^2 v with r the first of two rounds' steps and v by how much the second
/// differed, a = -|r| / |v|; a = -1 is where the two rounds led, and a goes half the way there until
/// every share is positive and the likelihood not below that of the two rounds.
void extrapolate(std::vector<double>& shares, const std::vector<double>& start,
                 const std::vector<double>& once, const std::vector<double>& observed,
                 const std::vector<std::vector<double>>& rates) {
  std::vector<double> step(shares.size()), bend(shares.size());
  double step_square = 0, bend_square = 0;
  for (size_t g = 0; g < shares.size(); ++g) {
    step[g] = once[g] - start[g];
    bend[g] = shares[g] - once[g] - step[g];
    step_square += step[g] * step[g];
    bend_square += bend[g] * bend[g];
  }
  if (bend_square == 0) return;
  const double least = log_likelihood(shares, observed, rates);
  std::vector<double> further(shares.size());
  for (double a = -std::sqrt(step_square / bend_square); a < -1.01; a = (a - 1) / 2) {
    for (size_t g = 0; g < shares.size(); ++g)
      further[g] = start[g] - 2 * a * step[g] + a * a * bend[g];
    if (std::ranges::all_of(further, [](double share) { return share > 0; }) &&
        log_likelihood(further, observed, rates) >= least) {
      shares = further;
      return;
    }
  }
}

}  // namespace

int64_t total(const Counts& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

Counts count_groups(const at::Tensor& groups, int64_t num_groups) {
  check_groups(groups, num_groups, "groups");
  Counts counts(num_groups, 0);
  const at::Tensor codes = groups.to(at::kCPU, at::kLong).contiguous();
  for (int64_t i = 0; i < codes.numel(); ++i) ++counts[codes.data_ptr<int64_t>()[i]];
  return counts;
}

ConfusionMatrix confusion_matrix(const at::Tensor& true_groups, const at::Tensor& predicted_groups,
                                 int64_t num_groups) {
  check_groups(true_groups, num_groups, "true_groups");
  check_shape(predicted_groups, {true_groups.size(0)}, "predicted_groups");
  check_groups(predicted_groups, num_groups, "predicted_groups");
  const Counts cells =
      count_groups(true_groups * num_groups + predicted_groups, num_groups * num_groups);
  ConfusionMatrix confusion;
  for (int64_t g = 0; g < num_groups; ++g) {
    confusion.emplace_back(cells.begin() + g * num_groups, cells.begin() + (g + 1) * num_groups);
  }
  return confusion;
}

Interval accuracy(const ConfusionMatrix& confusion, double level) {
  int64_t num_right = 0;
  int64_t num_images = 0;
  for (size_t g = 0; g < confusion.size(); ++g) {
    num_right += confusion[g].at(g);
    num_images += total(confusion[g]);
  }
  return wilson_interval(num_right, num_images, level);
}

std::vector<double> to_shares(const Counts& counts) {
  const double sum = static_cast<double>(total(counts));
  std::vector<double> shares;
  for (int64_t count : counts) shares.push_back(static_cast<double>(count) / sum);
  return shares;
}

std::vector<std::vector<double>> to_rates(const ConfusionMatrix& confusion) {
  std::vector<std::vector<double>> rates;
  for (size_t g = 0; g < confusion.size(); ++g) {
    if (confusion[g].size() != confusion.size() || total(confusion[g]) == 0) {
      throw UsageError(
          {.where = "confusion matrix",
           .what = fmt::format("row {} cannot be turned into rates", g),
           .got = fmt::format("{} columns, {} images", confusion[g].size(), total(confusion[g])),
           .expected = fmt::format("{} columns and one image at least", confusion.size()),
           .hint = "test the classifier on images of every group"});
    }
    rates.push_back(to_shares(confusion[g]));
  }
  return rates;
}

std::vector<double> predicted_law(const std::vector<double>& shares,
                                  const std::vector<std::vector<double>>& rates) {
  std::vector<double> law(shares.size(), 0);
  for (size_t g = 0; g < shares.size(); ++g)
    for (size_t j = 0; j < shares.size(); ++j) law[j] += shares[g] * rates[g][j];
  return law;
}

std::vector<Interval> share_intervals(const Counts& counts, double level) {
  std::vector<Interval> intervals;
  for (int64_t count : counts) intervals.push_back(wilson_interval(count, total(counts), level));
  return intervals;
}

std::vector<double> correct_shares(const std::vector<double>& observed,
                                   const std::vector<std::vector<double>>& rates) {
  std::vector<double> shares(observed.size(), 1.0 / static_cast<double>(observed.size()));
  for (int round = 0; round < kMaxRounds; round += 2) {
    const std::vector<double> start = shares;
    if (improve(shares, observed, rates) < kSettled) break;
    const std::vector<double> once = shares;
    improve(shares, observed, rates);
    extrapolate(shares, start, once, observed, rates);
  }
  return shares;
}

ShareReplicate resample(const Counts& counts, const ConfusionMatrix& confusion,
                        RandomStream& stream) {
  Counts half_units;  // 2 c + 1 halves: the count plus a half
  for (int64_t count : counts) half_units.push_back(2 * count + 1);
  ShareReplicate replicate{.counts = resample_counts(half_units, total(counts), stream),
                           .confusion = {}};
  for (const Counts& row : confusion)
    replicate.confusion.push_back(resample_counts(row, total(row), stream));
  return replicate;
}

std::vector<Interval> corrected_share_intervals(const Counts& counts,
                                                const ConfusionMatrix& confusion,
                                                const BootstrapOptions& options) {
  check_agree(counts, confusion);
  const std::vector<double> shares = correct_shares(to_shares(counts), to_rates(confusion));
  std::vector<std::vector<double>> replicates(counts.size());
  for (int64_t r = 0; r < options.num_replicates; ++r) {
    RandomStream stream(options.seed, Purpose::kBootstrap, r, options.part);
    const ShareReplicate drawn = resample(counts, confusion, stream);
    const std::vector<double> redone =
        correct_shares(to_shares(drawn.counts), to_rates(drawn.confusion));
    for (size_t g = 0; g < counts.size(); ++g) replicates[g].push_back(redone[g]);
  }
  std::vector<Interval> intervals;
  for (size_t g = 0; g < counts.size(); ++g) {
    Interval interval = percentile_interval(shares[g], replicates[g], options.level);
    interval.low = std::min(interval.low, interval.value);
    interval.high = std::max(interval.high, interval.value);
    interval.method = "EM, percentile bootstrap of samples and confusion matrix";
    intervals.push_back(interval);
  }
  return intervals;
}

namespace {

struct SharesOptions {
  int64_t bootstrap = 1000;
  void fields(FieldVisitor& f) {
    f("bootstrap", bootstrap, "count", "resamplings behind the corrected shares' intervals",
      {50, 1000000});
  }
};

class Shares : public Metric {
 public:
  explicit Shares(const SharesOptions& options) : options_(options) {}

  std::string missing(const MetricInput& input) const override {
    return name_missing({{"counts", !input.counts.empty()},
                         {"group_names", input.group_names.size() == input.counts.size()}});
  }

  nlohmann::ordered_json measure(const MetricInput& input) const override {
    const std::vector<Interval> raw = share_intervals(input.counts, input.level);
    std::vector<Interval> corrected;
    if (input.confusion) {
      corrected = corrected_share_intervals(input.counts, *input.confusion,
                                            {.num_replicates = options_.bootstrap,
                                             .seed = input.seed,
                                             .part = 0,
                                             .level = input.level});
    }
    nlohmann::ordered_json shares = nlohmann::ordered_json::array();
    for (size_t g = 0; g < raw.size(); ++g) {
      nlohmann::ordered_json share{
          {"group", input.group_names[g]}, {"count", input.counts[g]}, {"raw", to_json(raw[g])}};
      if (!corrected.empty()) share["corrected"] = to_json(corrected[g]);
      if (!input.target.empty()) share["target"] = input.target.at(g);
      shares.push_back(std::move(share));
    }
    return shares;
  }

 private:
  SharesOptions options_;
};

const bool kRegistered = register_metric<Shares, SharesOptions>(
    {.name = "shares",
     .summary =
         "Share of each group among the samples, raw and corrected for the classifier's errors.",
     .source = "Wilson 1927; Saerens et al. 2002 (EM for shifted class shares); bootstrap of both "
               "errors: ours",
     .use_when = "Always on biased data; read the corrected shares when the classifier errs on "
                 "more than 1 in 50."},
    /*headline=*/"", /*ideal=*/0, Better::kLower);

}  // namespace
}  // namespace equipoise::metrics
