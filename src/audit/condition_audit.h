// Samples of a conditional model, held against the class that each was asked to be.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

namespace equipoise::audit {

/// Samples and real images in the feature space of one classifier.
struct ConditionedImages {
  at::Tensor sample_features;     ///< [N,F]
  at::Tensor sample_predicted;    ///< [N] int64, as classified
  at::Tensor sample_classes;      ///< [N] int64, as asked for
  at::Tensor reference_features;  ///< [M,F] of real images
  at::Tensor reference_classes;   ///< [M] int64, the true ones
  std::vector<std::string> class_names;
};

struct ConditionOptions {
  uint64_t seed = 0;
  double level = 0.95;
  int64_t min_images = 50;  ///< classes with fewer samples or references have no distance
};

/// {"accuracy": interval, "frechet", "frechet_floor", "coverage", "density", "left_out": [class],
///  "by_class": [{"class", "num_samples", "num_reference", "accuracy": interval, "frechet",
///                "frechet_floor", "coverage", "density"}]}
///
/// accuracy: share of samples classified as what they were asked to be (the classifier's own errors
/// included). The others are means over classes of the measure between a class's samples and its
/// real images; the floor is what real images score among themselves.
/// Source: Na et al. 2024 (ICLR): CW-FID, CW-Density, CW-Coverage, here on the run's classifier.
/// Random: frechet_floor's. Throws: UsageError on shapes and codes that do not fit.
nlohmann::ordered_json audit_conditions(const ConditionedImages& images,
                                        const ConditionOptions& options = {});

}  // namespace equipoise::audit
