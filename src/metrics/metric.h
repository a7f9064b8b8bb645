// Numbers about a set of samples. A metric reads what it needs from one MetricInput and returns
// JSON with its recipe; none reads files. Names are the keys of docs/formats/results.md.
//
//   shares                how often each group occurs, corrected for the classifier's errors; start here on biased data
//   total_variation       the same in one number: distance of the shares to the stated target
//   share_distances       the same as Hellinger distance, KL and chi-square divergence
//   frechet               distance of feature means and covariances to the reference: quality and diversity in one number
//   frechet_extrapolated  the same at infinitely many samples: to compare sets of different size
//   kid                   a kernel distance without bias from the number of samples: small sets
//   coverage              share of the reference that has a sample near it: lost modes, which frechet may hide
//   precision_recall      share of samples near the reference, and the reverse: tells junk from lost modes
//   realism               how deep each sample lies among the references: finds the bad images
//   avg_knn               distance to the nearest references: do samples come from sparse regions
//   lof                   the same relative to how sparse the neighbours' own places are
//   rarity                the same by the smallest reference ball that holds a sample; blind to junk
//   inception_score       how sure and how varied a classifier's answers are; knows no reference
//   nearest_reference     do samples lie closer to the training images than real images do: copying
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "core/config.h"
#include "core/registry.h"
#include "metrics/neighbours.h"
#include "metrics/shares.h"

namespace equipoise::metrics {

/// What a file of mean and covariance tells of a set whose images are not at hand.
struct ReferenceMoments {
  at::Tensor mean;        ///< [F] float64
  at::Tensor covariance;  ///< [F,F] float64, divided by n - 1
  std::optional<int64_t> num_images = {};
};

/// All that a metric may look at. Parts that are not there are undefined tensors, empty vectors or
/// nullopt.
struct MetricInput {
  // Groups.
  Counts counts;                         ///< samples per group, as classified
  std::vector<std::string> group_names;  ///< one per group
  std::vector<double> target;            ///< stated share per group, sums to 1
  /// of the classifier that counted, on data it has not seen
  std::optional<ConfusionMatrix> confusion;

  // Feature space: [N,F] and [M,F], any floating type.
  at::Tensor sample_features;
  at::Tensor reference_features;  ///< what the samples should look like
  /// Of reference_features, shared between metrics; without it each searches for itself.
  std::shared_ptr<const OwnNeighbours> reference_neighbours = nullptr;
  /// In place of reference_features, for metrics that need no more
  std::optional<ReferenceMoments> reference_moments = {};
  std::string feature_recipe;  ///< which extractor and layer, for the record
  /// Pool features of the one network whose distances may be called FID and KID.
  bool features_are_fid_inception = false;

  // What a classifier says of the samples: [N,K], any floating type, before the softmax.
  at::Tensor sample_logits;
  std::string logit_recipe;  ///< which classifier, for the record
  /// Of the one network whose score may be called Inception score.
  bool logits_are_fid_inception = false;

  // The space in which copies are sought (pixels or features): [N,D], [T,D], [H,D], any type.
  at::Tensor sample_points;
  at::Tensor training_points;  ///< what a generator could have copied
  at::Tensor heldout_points;   ///< real images it has not seen
  /// [H] float64, of these to their nearest training point, where already known
  at::Tensor heldout_distances;
  std::string point_recipe;  ///< "pixels, uint8" or the like

  uint64_t seed = 0;  ///< of every resampling
  double level = 0.95;
};

/// A metric. Stateless after construction: safe to call from several threads at once.
class Metric {
 public:
  static constexpr const char* kFamily = "metric";
  virtual ~Metric() = default;
  /// What is lacking to compute it ("sample_features, reference_features"); empty when all is
  /// there.
  virtual std::string missing(const MetricInput& input) const = 0;
  /// The number with its interval and recipe. The order of samples and references does not move the
  /// number; which rows a bootstrap draws does depend on it.
  /// Throws: UsageError when parts are missing or disagree; NumericError when they are not finite.
  virtual nlohmann::ordered_json measure(const MetricInput& input) const = 0;
};

/// Which way a headline improves. kNeither: it describes the samples, and real images have a value
/// of their own (stated beside it).
enum class Better { kLower, kHigher, kNeither };

struct MetricPlugin {
  std::function<std::unique_ptr<Metric>(const nlohmann::json& options)> make;
  std::function<std::string()> options_help;  ///< one line an option
  /// JSON pointer to the one number that sums it up; empty = one number a group
  std::string headline;
  /// The headline of samples that equal the reference; nullopt where that is no fixed number, as for
  /// unbiased estimates, whose mean over samples of the reference's law is what is known.
  std::optional<double> ideal;
  Better better = Better::kLower;
};
using MetricRegistry = Registry<Metric, MetricPlugin>;

/// Registers metric `Member`, made from an `Options` struct that lists its fields.
template <class Member, class Options>
bool register_metric(const MethodInfo& info, const std::string& headline,
                     std::optional<double> ideal, Better better) {
  MetricPlugin plugin{.make =
                          [where = "metrics." + info.name](const nlohmann::json& json) {
                            Options options;
                            from_json(json, options, where);
                            return std::make_unique<Member>(options);
                          },
                      .options_help = [] { return help_text(Options{}); },
                      .headline = headline,
                      .ideal = ideal,
                      .better = better};
  return MetricRegistry::instance().add(info, std::move(plugin));
}

/// "a, b" of the names whose part is absent; what most metrics return from `missing`.
std::string name_missing(std::initializer_list<std::pair<const char*, bool>> is_there);

/// A set of which a metric needs some rows at least.
struct NeededRows {
  const char* name;
  const at::Tensor& rows;
  int64_t at_least;
};
/// The same for sets that are absent or too small: "reference_features of 21 rows at least".
std::string name_missing(std::initializer_list<NeededRows> needed);

/// input.reference_neighbours, or new ones.
std::shared_ptr<const OwnNeighbours> reference_neighbours(const MetricInput& input);

/// The recipe of metrics on distances between features: extractor, set sizes, kind of distance.
nlohmann::ordered_json distance_recipe(const MetricInput& input);

}  // namespace equipoise::metrics
