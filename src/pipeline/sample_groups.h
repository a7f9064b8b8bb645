// The groups that samples and reference are divided into, and the shares they should have.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <torch/types.h>

#include "data/image_set.h"
#include "metrics/shares.h"

namespace equipoise::pipeline {

struct SampleGroups {
  std::string attribute;  ///< "class", "gender", "genderxrace"
  std::string source;     ///< where the samples' groups are from, for the record
  std::vector<std::string> names;
  at::Tensor sample_codes;     ///< [N] int64
  at::Tensor reference_codes;  ///< [M] int64, as labelled
  /// [M] int64, as classified; undefined where nothing was classified
  at::Tensor reference_predicted;
};

/// Groups that the samples carry as labels or attributes of their own.
/// Throws UsageError when either set lacks an attribute (the nearest is offered).
SampleGroups labelled_groups(const data::ImageSet& samples, const data::ImageSet& reference,
                             const std::string& attribute);

/// The reference's groups by `attribute`, in the order of the classes that a classifier tells
/// apart; the samples' own and the reference's predicted ones are left to fill in.
/// Throws DataError when the reference has other groups than the classifier.
SampleGroups classified_groups(const data::ImageSet& reference, const std::string& attribute,
                               const std::vector<std::string>& classes);

/// Of the classifier on the reference; nothing where nothing was classified.
std::optional<metrics::ConfusionMatrix> confusion_of(const SampleGroups& groups);

/// `text` is "reference" (the reference's own shares), "even", or "group=share,..." for every group.
/// Throws UsageError for groups that do not exist or are not named, and shares that do not sum to 1.
std::vector<double> target_shares(const std::string& text, const SampleGroups& groups);

}  // namespace equipoise::pipeline
