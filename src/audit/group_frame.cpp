#include "audit/group_frame.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"

namespace equipoise::audit {
namespace {

using Json = nlohmann::ordered_json;
using metrics::BootstrapOptions;
using metrics::Interval;
/// A number read off a frame; nothing where it is not stated.
using Reading = std::function<std::optional<double>(const GroupNumbers&)>;

double smallest(const GroupNumbers& numbers) {
  return std::ranges::min(numbers.by_group);
}
double largest(const GroupNumbers& numbers) {
  return std::ranges::max(numbers.by_group);
}

/// `reading` of every replicate that has it.
std::vector<double> read_all(const Reading& reading, const std::vector<GroupNumbers>& replicates) {
  std::vector<double> values;
  for (const GroupNumbers& replicate : replicates)
    if (const auto value = reading(replicate)) values.push_back(*value);
  return values;
}

using MakeInterval = Interval (*)(double, const std::vector<double>&, double);

/// A number of the frame, how its interval is made, and what it cannot exceed.
struct Entry {
  Reading reading;
  MakeInterval make_interval = metrics::centred_interval;
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
};

Json to_json(const Entry& entry, const GroupNumbers& numbers, const FrameReplicates& replicates) {
  const std::optional<double> value = entry.reading(numbers);
  if (!value) return nullptr;
  const std::vector<double> redone = read_all(entry.reading, replicates.of_samples);
  if (redone.empty()) return {{"value", *value}};
  Interval interval = entry.make_interval(*value, redone, replicates.level);
  interval.low = std::max(entry.least, interval.low);
  interval.high = std::min(entry.most, interval.high);
  return metrics::to_json(interval);
}

void check_sizes(const FrameGroups& groups, const GroupNumbers& numbers) {
  if (!groups.names.empty() && groups.names.size() == numbers.by_group.size() &&
      groups.names.size() == groups.counts.size())
    return;
  throw UsageError({.where = "group frame",
                    .what = "a frame needs one number and one count a group, and a group at least",
                    .got = fmt::format("{} names, {} counts, {} numbers", groups.names.size(),
                                       groups.counts.size(), numbers.by_group.size())});
}

/// The rows of each group.
std::vector<std::vector<int64_t>> rows_by_group(const std::vector<int64_t>& codes,
                                                size_t num_groups) {
  std::vector<std::vector<int64_t>> rows(num_groups);
  for (size_t i = 0; i < codes.size(); ++i)
    rows[static_cast<size_t>(codes[i])].push_back(static_cast<int64_t>(i));
  return rows;
}

FrameGroups divide(const std::vector<std::string>& names, const metrics::Counts& counts,
                   const std::vector<bool>& is_kept) {
  FrameGroups groups;
  for (size_t g = 0; g < names.size(); ++g) {
    if (is_kept[g]) {
      groups.names.push_back(names[g]);
      groups.counts.push_back(counts[g]);
    } else {
      groups.left_out.push_back(names[g]);
    }
  }
  return groups;
}

/// Sums of one number over groups, some of which are left out of the frame.
class MeanNumbers {
 public:
  explicit MeanNumbers(const std::vector<bool>& is_kept)
      : is_kept_(is_kept), sums_(is_kept.size(), 0), counts_(is_kept.size(), 0) {}
  void add(size_t group, double value) {
    sums_[group] += value;
    ++counts_[group];
  }
  GroupNumbers means() const {
    GroupNumbers numbers{.overall = std::accumulate(sums_.begin(), sums_.end(), 0.0) /
                                    static_cast<double>(metrics::total(counts_)),
                         .by_group = {}};
    for (size_t g = 0; g < sums_.size(); ++g)
      if (is_kept_[g]) numbers.by_group.push_back(sums_[g] / static_cast<double>(counts_[g]));
    return numbers;
  }

 private:
  const std::vector<bool>& is_kept_;
  std::vector<double> sums_;
  metrics::Counts counts_;
};

/// A share of images has a better interval than resampling gives, which has no width at 0 and 1.
void state_as_rates(Json& frame, const FrameGroups& groups, int64_t num_images, double level) {
  const auto state = [&](Json& number, int64_t count) {
    const double rate = number.at("value").get<double>();
    number = metrics::to_json(
        metrics::wilson_interval(std::llround(rate * static_cast<double>(count)), count, level));
  };
  state(frame["overall"], num_images);
  for (size_t g = 0; g < groups.names.size(); ++g)
    state(frame["by_group"][groups.names[g]], groups.counts[g]);
}

std::vector<GroupNumbers> replicate(const std::function<GroupNumbers(RandomStream&)>& draw,
                                    const BootstrapOptions& options) {
  std::vector<GroupNumbers> replicates;
  for (int64_t r = 0; r < options.num_replicates; ++r) {
    RandomStream stream(options.seed, Purpose::kBootstrap, static_cast<uint64_t>(r), options.part);
    replicates.push_back(draw(stream));
  }
  return replicates;
}

BootstrapOptions next_part(BootstrapOptions options) {
  ++options.part;
  return options;
}

}  // namespace

double difference_between_groups(const GroupNumbers& numbers) {
  return largest(numbers) - smallest(numbers);
}

double difference_to_overall(const GroupNumbers& numbers) {
  double difference = 0;
  for (const double number : numbers.by_group)
    difference = std::max(difference, std::abs(number - numbers.overall));
  return difference;
}

std::optional<double> ratio_between_groups(const GroupNumbers& numbers) {
  if (smallest(numbers) < 0 || largest(numbers) <= 0) return std::nullopt;
  return smallest(numbers) / largest(numbers);
}

std::optional<double> ratio_to_overall(const GroupNumbers& numbers) {
  if (smallest(numbers) < 0 || numbers.overall <= 0) return std::nullopt;
  double ratio = 1;
  for (const double number : numbers.by_group)
    ratio =
        std::min({ratio, number / numbers.overall, number > 0 ? numbers.overall / number : ratio});
  return ratio;
}

Json group_frame(const FrameGroups& groups, const GroupNumbers& numbers,
                 const FrameReplicates& replicates) {
  check_sizes(groups, numbers);
  const auto json = [&](const Entry& entry) { return to_json(entry, numbers, replicates); };
  Json frame{
      {"overall", json({[](const auto& n) { return n.overall; }, metrics::percentile_interval})}};
  for (size_t g = 0; g < groups.names.size(); ++g) {
    frame["by_group"][groups.names[g]] =
        json({[g](const auto& n) { return n.by_group[g]; }, metrics::percentile_interval});
    frame["count"][groups.names[g]] = groups.counts[g];
  }
  frame["difference"] = json({.reading = difference_between_groups, .least = 0});
  if (!replicates.under_equality.empty()) {
    const auto equal = read_all(difference_between_groups, replicates.under_equality);
    frame["difference"]["floor"] =
        std::accumulate(equal.begin(), equal.end(), 0.0) / static_cast<double>(equal.size());
    frame["difference"]["floor_high"] = metrics::quantile(equal, replicates.level);
  }
  frame["difference_to_overall"] = json({.reading = difference_to_overall, .least = 0});
  frame["ratio"] = json({.reading = ratio_between_groups, .least = 0, .most = 1});
  frame["ratio_to_overall"] = json({.reading = ratio_to_overall, .least = 0, .most = 1});
  frame["group_min"] = json({.reading = smallest});
  frame["group_max"] = json({.reading = largest});
  frame["left_out"] = groups.left_out;
  return frame;
}

Json mean_frame(const at::Tensor& values, const at::Tensor& groups,
                const std::vector<std::string>& names, const MeanFrameOptions& options) {
  check_shape(values, {groups.numel()}, "values");
  const auto num_groups = static_cast<int64_t>(names.size());
  const metrics::Counts counts = metrics::count_groups(groups, num_groups);
  const std::vector<double> numbers = metrics::to_vector(values);
  const at::Tensor codes = groups.to(at::kLong).contiguous();
  const std::vector<int64_t> code_of(codes.data_ptr<int64_t>(),
                                     codes.data_ptr<int64_t>() + codes.numel());
  std::vector<bool> is_kept;
  for (const int64_t count : counts) is_kept.push_back(count >= options.min_count);
  const auto means_of = [&](const std::vector<int64_t>& group_of) {
    MeanNumbers sums(is_kept);
    for (size_t i = 0; i < numbers.size(); ++i)
      sums.add(static_cast<size_t>(group_of[i]), numbers[i]);
    return sums.means();
  };
  const auto rows = rows_by_group(code_of, names.size());
  const auto redraw = [&](RandomStream& stream) {
    MeanNumbers sums(is_kept);
    for (size_t g = 0; g < rows.size(); ++g)
      for (size_t i = 0; i < rows[g].size(); ++i)
        sums.add(g, numbers[static_cast<size_t>(rows[g][stream.below(rows[g].size())])]);
    return sums.means();
  };
  const auto permute = [&](RandomStream& stream) {
    std::vector<int64_t> permuted = code_of;
    for (size_t i = permuted.size(); i > 1; --i)
      std::swap(permuted[i - 1], permuted[stream.below(i)]);
    return means_of(permuted);
  };
  const FrameGroups kept = divide(names, counts, is_kept);
  Json frame = group_frame(kept, means_of(code_of),
                           {.of_samples = replicate(redraw, options.bootstrap),
                            .under_equality = replicate(permute, next_part(options.bootstrap)),
                            .level = options.bootstrap.level});
  if (std::ranges::all_of(numbers, [](double number) { return number == 0 || number == 1; }))
    state_as_rates(frame, kept, static_cast<int64_t>(numbers.size()), options.bootstrap.level);
  return frame;
}

Json representation_frame(const metrics::Counts& counts,
                          const std::optional<metrics::ConfusionMatrix>& confusion,
                          const std::vector<double>& target, const std::vector<std::string>& names,
                          const BootstrapOptions& options) {
  if (target.size() != counts.size() || names.size() != counts.size())
    throw UsageError(
        {.where = "representation",
         .what = "counts, target and names differ in their number of groups",
         .got = fmt::format("{}, {} and {}", counts.size(), target.size(), names.size())});
  std::vector<bool> is_kept;
  for (const double share : target) is_kept.push_back(share > 0);
  const auto of_target = [&](const std::vector<double>& shares) {
    GroupNumbers numbers{.overall = 1, .by_group = {}};
    for (size_t g = 0; g < shares.size(); ++g)
      if (is_kept[g]) numbers.by_group.push_back(shares[g] / target[g]);
    return numbers;
  };
  const auto shares_of = [&](const metrics::Counts& drawn,
                             const std::optional<metrics::ConfusionMatrix>& errors) {
    const std::vector<double> raw = metrics::to_shares(drawn);
    return errors ? metrics::correct_shares(raw, metrics::to_rates(*errors)) : raw;
  };
  const auto redraw = [&](RandomStream& stream) {
    const metrics::ShareReplicate drawn =
        metrics::resample(counts, confusion.value_or(metrics::ConfusionMatrix{}), stream);
    return of_target(
        shares_of(drawn.counts, confusion ? std::optional(drawn.confusion) : std::nullopt));
  };
  return group_frame(
      divide(names, counts, is_kept), of_target(shares_of(counts, confusion)),
      {.of_samples = replicate(redraw, options), .under_equality = {}, .level = options.level});
}

}  // namespace equipoise::audit
