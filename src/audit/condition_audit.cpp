#include "audit/condition_audit.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "core/check.h"
#include "metrics/coverage.h"
#include "metrics/frechet.h"
#include "metrics/shares.h"

namespace equipoise::audit {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kDistances[] = {"frechet", "frechet_floor", "coverage", "density"};

/// One class: its samples and its real images.
struct ClassImages {
  at::Tensor samples;     ///< [n,F]
  at::Tensor references;  ///< [m,F]
};

ClassImages images_of(const ConditionedImages& images, int64_t c) {
  const auto rows = [c](const at::Tensor& features, const at::Tensor& classes) {
    return features.index_select(0, classes.eq(c).nonzero().flatten());
  };
  return {.samples = rows(images.sample_features, images.sample_classes),
          .references = rows(images.reference_features, images.reference_classes)};
}

void add_distances(const ClassImages& images, const ConditionOptions& options, Json& entry) {
  const auto frechet = metrics::frechet_distance(metrics::moments_of(images.samples),
                                                 metrics::moments_of(images.references));
  const auto floor =
      metrics::frechet_floor(images.references, images.samples.size(0), options.seed);
  const auto coverage =
      metrics::measure_coverage(images.samples, images.references, {.level = options.level});
  entry["frechet"] = frechet.value;
  entry["frechet_floor"] = floor.value;
  entry["coverage"] = coverage.coverage.value;
  entry["density"] = coverage.density;
}

/// Mean over the classes that have the number; null when none has.
Json mean_of(const char* key, const Json& classes) {
  double sum = 0;
  int64_t count = 0;
  for (const Json& entry : classes) {
    if (!entry.contains(key)) continue;
    sum += entry.at(key).get<double>();
    ++count;
  }
  return count > 0 ? Json(sum / static_cast<double>(count)) : Json(nullptr);
}

}  // namespace

Json audit_conditions(const ConditionedImages& images, const ConditionOptions& options) {
  const int64_t num_samples = images.sample_features.size(0);
  const auto num_classes = static_cast<int64_t>(images.class_names.size());
  check_shape(images.sample_classes, {num_samples}, "classes asked for");
  check_shape(images.sample_predicted, {num_samples}, "classes of the samples");
  check_shape(images.reference_classes, {images.reference_features.size(0)},
              "classes of the reference");
  const metrics::ConfusionMatrix confusion =
      metrics::confusion_matrix(images.sample_classes, images.sample_predicted, num_classes);
  Json by_class = Json::array(), left_out = Json::array();
  for (int64_t c = 0; c < num_classes; ++c) {
    const ClassImages members = images_of(images, c);
    const auto& row = confusion[static_cast<size_t>(c)];
    const std::string& name = images.class_names[static_cast<size_t>(c)];
    Json entry{{"class", name},
               {"num_samples", members.samples.size(0)},
               {"num_reference", members.references.size(0)}};
    if (members.samples.size(0) > 0)
      entry["accuracy"] = metrics::to_json(metrics::wilson_interval(
          row[static_cast<size_t>(c)], members.samples.size(0), options.level));
    if (std::min(members.samples.size(0), members.references.size(0)) >= options.min_images)
      add_distances(members, options, entry);
    else
      left_out.push_back(name);
    by_class.push_back(std::move(entry));
  }
  Json json{{"accuracy", metrics::to_json(metrics::accuracy(confusion, options.level))}};
  for (const char* key : kDistances) json[key] = mean_of(key, by_class);
  json["left_out"] = std::move(left_out);
  json["by_class"] = std::move(by_class);
  return json;
}

}  // namespace equipoise::audit
