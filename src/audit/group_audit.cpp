#include "audit/group_audit.h"

#include <algorithm>

#include <fmt/format.h>

#include "audit/measure.h"
#include "core/error.h"
#include "core/random.h"
#include "metrics/features.h"
#include "metrics/metric.h"
#include "metrics/neighbours.h"

namespace equipoise::audit {
namespace {

void check_groups(const ReferenceSets& sets) {
  const size_t num_groups = sets.group_names.size();
  if (sets.confusion.size() == num_groups &&
      (sets.target.empty() || sets.target.size() == num_groups))
    return;
  throw UsageError(
      {.where = "audit",
       .what = "group names, confusion matrix and target differ in their number of groups",
       .got = fmt::format("{}, {} and {}", num_groups, sets.confusion.size(), sets.target.size()),
       .expected = "",
       .hint = ""});
}

/// Distances of some held-out images, chosen at random once, to their nearest training image.
at::Tensor heldout_distances(const at::Tensor& evaluation_images, const at::Tensor& training_points,
                             const AuditOptions& options) {
  const at::Tensor order = random_permutation(
      RandomStream(options.seed, Purpose::kBootstrap, 0, /*part=*/40), evaluation_images.size(0));
  const at::Tensor chosen =
      evaluation_images.index_select(0, order.slice(0, 0, options.max_heldout));
  return metrics::nearest_distances(chosen.flatten(1), training_points, {.k = 1}).view({-1});
}

metrics::MetricInput make_input(const at::Tensor& samples, const AuditReference& reference,
                                const AuditOptions& options) {
  const metrics::Features found =
      metrics::extract_features(*reference.classifier, samples,
                                {.num_workers = options.num_workers, .progress = options.progress});
  metrics::MetricInput input;
  input.counts = metrics::count_groups(found.predicted_groups(),
                                       static_cast<int64_t>(reference.group_names.size()));
  input.group_names = reference.group_names;
  input.target = reference.target;
  input.confusion = reference.confusion;
  input.sample_features = found.features;
  input.reference_features = reference.features;
  input.reference_neighbours = reference.neighbours;
  input.feature_recipe = reference.feature_recipe;
  input.sample_logits = found.logits;
  input.logit_recipe = reference.feature_recipe;
  input.sample_points = samples.flatten(1);
  input.training_points = reference.training_points;
  input.heldout_distances = reference.heldout_distances;
  input.point_recipe = "pixels, uint8";
  input.seed = options.seed;
  input.level = options.level;
  return input;
}

}  // namespace

AuditReference make_reference(std::shared_ptr<nets::ClassifierNetwork> classifier,
                              const ReferenceSets& sets, const AuditOptions& options) {
  check_groups(sets);
  AuditReference reference{.classifier = std::move(classifier),
                           .confusion = sets.confusion,
                           .group_names = sets.group_names,
                           .target = sets.target,
                           .features = {},
                           .neighbours = nullptr,
                           .training_points = {},
                           .heldout_distances = {},
                           .feature_recipe = sets.feature_recipe};
  reference.features =
      metrics::extract_features(*reference.classifier, sets.evaluation_images,
                                {.num_workers = options.num_workers, .progress = options.progress})
          .features;
  reference.neighbours = std::make_shared<metrics::OwnNeighbours>(reference.features);
  if (!sets.training_images.defined()) return reference;
  return with_training_images(std::move(reference), sets.training_images, sets.evaluation_images,
                              options);
}

AuditReference with_training_images(AuditReference reference, const at::Tensor& training_images,
                                    const at::Tensor& evaluation_images,
                                    const AuditOptions& options) {
  reference.training_points = training_images.flatten(1);
  reference.heldout_distances =
      heldout_distances(evaluation_images, reference.training_points, options);
  return reference;
}

nlohmann::ordered_json audit_samples(const at::Tensor& samples, const AuditReference& reference,
                                     const AuditOptions& options) {
  const MeasureOptions chosen{.metric_options = options.metric_options,
                              .num_workers = options.num_workers};
  check_metrics(chosen);
  const metrics::MetricInput input = make_input(samples, reference, options);
  nlohmann::ordered_json audit{{"counts", input.counts}};
  audit.update(measure(input, chosen));
  return audit;
}

}  // namespace equipoise::audit
