// The four sets of a run: biased and reference to train on, classifier and evaluation to measure
// with; no image in two of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/progress.h"
#include "data/image_set.h"
#include "data/split.h"
#include "nets/network.h"
#include "pipeline/experiment_config.h"

namespace equipoise::pipeline {

/// Labels of both sets are group codes: the classes, or the cells of the split's attributes.
struct ImageData {
  std::shared_ptr<const data::ImageSet> training;  ///< holds biased, reference and held-out images
  std::shared_ptr<const data::ImageSet> evaluation;  ///< data.evaluation, or `training` again
  /// `training` with the labels that generators and their helpers are shown: the true ones, or those
  /// that [data.label_noise] made of them or reads. Labels of the other two sets are for measuring.
  std::shared_ptr<const data::ImageSet> shown;
  /// How the shown labels were made wrong, or are found to be, S [K,K] float64; undefined when they were not.
  at::Tensor label_noise;
  data::Split split;
  at::Tensor classifier_indices;  ///< into training: train the classifier
  at::Tensor test_indices;        ///< into evaluation: its confusion matrix
  /// Into evaluation, a part of test_indices whose groups have exactly the target's shares.
  at::Tensor target_indices;
  nets::DataShape shape;  ///< label_dim 0

  std::vector<int64_t> item_shape() const;  ///< {C,H,W} or {D}
  int64_t num_groups() const { return static_cast<int64_t>(split.groups.size()); }
  /// The "data" object of docs/formats/results.md.
  nlohmann::json to_json() const;
};

/// Reads the data sets and divides them. With an existing manifest at `split_file` (a resumed run)
/// that one is used; an empty path keeps none.
/// Throws DataError / UsageError as the readers, splits and label noise do, and when the evaluation
/// set has other groups or image sizes.
ImageData load_image_data(const ExperimentConfig& config, const std::filesystem::path& split_file,
                          Progress& progress);

/// Images of `set` at `indices`, uint8 [n,C,H,W] (vectors float32).
at::Tensor raw_images(const data::ImageSet& set, const at::Tensor& indices);

}  // namespace equipoise::pipeline
