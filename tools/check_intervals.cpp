// How often the 95 % intervals of shares hold the truth, by simulation: Wilson's for counted groups, and those of shares
// corrected for a classifier's errors. docs/results.md has the table.
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/parallel.h"
#include "core/random.h"
#include "metrics/shares.h"

namespace equipoise::metrics {
namespace {

constexpr int64_t kTrials = 2000;
constexpr int64_t kReplicates = 200;

Counts draw(const std::vector<double>& law, int64_t num_draws, RandomStream& stream) {
  Counts units;
  for (const double share : law) units.push_back(static_cast<int64_t>(share * 1e9));
  return resample_counts(units, num_draws, stream);
}

struct World {
  std::string name;
  std::vector<double> shares;
  ConfusionMatrix classifier;  ///< its rates, and how many images of each group it was tested on
};

/// Of all groups and trials, the share whose interval holds the group's true share.
struct Coverage {
  double wilson = 0, raw = 0, corrected = 0;
};

Coverage cover(const World& world, int64_t num_samples) {
  const auto rates = to_rates(world.classifier);
  const std::vector<double> law = predicted_law(world.shares, rates);
  const int64_t num_workers = num_cores();
  std::vector<Coverage> found(num_workers);
  run_workers(num_workers, [&](int64_t worker) {
    for (int64_t trial = worker; trial < kTrials; trial += num_workers) {
      RandomStream stream(trial, Purpose::kToyData);
      const auto counted = share_intervals(draw(world.shares, num_samples, stream));
      const Counts counts = draw(law, num_samples, stream);
      ConfusionMatrix tested;
      for (size_t g = 0; g < rates.size(); ++g)
        tested.push_back(draw(rates[g], total(world.classifier[g]), stream));
      const auto raw = share_intervals(counts);
      const auto corrected = corrected_share_intervals(
          counts, tested, {.num_replicates = kReplicates, .seed = static_cast<uint64_t>(trial)});
      for (size_t g = 0; g < rates.size(); ++g) {
        found[worker].wilson += contains(counted[g], world.shares[g]);
        found[worker].raw += contains(raw[g], world.shares[g]);
        found[worker].corrected += contains(corrected[g], world.shares[g]);
      }
    }
  });
  Coverage all;
  for (const Coverage& part : found) {
    all.wilson += part.wilson;
    all.raw += part.raw;
    all.corrected += part.corrected;
  }
  const double cases = static_cast<double>(kTrials) * static_cast<double>(rates.size());
  return {all.wilson / cases, all.raw / cases, all.corrected / cases};
}

}  // namespace
}  // namespace equipoise::metrics

int main() {
  using namespace equipoise::metrics;
  const std::vector<World> worlds = {
      {"two groups, 90 % right on 500 each", {0.7, 0.3}, {{450, 50}, {50, 450}}},
      {"two groups, 98 % right on 1,500 each", {0.9, 0.1}, {{1470, 30}, {30, 1470}}},
      {"three groups, 85 to 90 % right on 200 each",
       {0.70, 0.25, 0.05},
       {{180, 15, 5}, {20, 170, 10}, {0, 30, 170}}}};
  fmt::print("{:<46}{:>9}{:>10}{:>10}{:>12}\n", "", "samples", "Wilson", "raw", "corrected");
  for (const World& world : worlds)
    for (const int64_t num_samples : {30, 100, 300, 1000, 3000, 10000}) {
      const Coverage found = cover(world, num_samples);
      fmt::print("{:<46}{:>9}{:>10.3f}{:>10.3f}{:>12.3f}\n", world.name, num_samples, found.wilson,
                 found.raw, found.corrected);
    }
  return 0;
}
