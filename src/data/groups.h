// Images divided into groups: by class, by an attribute, or by several attributes at once.
#pragma once

#include <string>
#include <vector>

#include <torch/types.h>

#include "data/image_set.h"

namespace equipoise::data {

/// The images of a set divided into groups: the values of one attribute, or the cells of several.
struct Grouping {
  std::vector<std::string> attributes;
  std::vector<std::string> names;   ///< "Female", or "Female/Black" for a cross
  at::Tensor codes;                 ///< [N] int64
  std::vector<at::Tensor> members;  ///< per group: indices, ascending

  int64_t num_groups() const { return static_cast<int64_t>(names.size()); }
  /// Images of each group among `indices`.
  std::vector<int64_t> count(const at::Tensor& indices) const;
};
/// Throws UsageError for an unknown attribute. A set without labels, grouped by "class", is one
/// group named "all".
Grouping group_images(const ImageSet& set, const std::vector<std::string>& attributes);

}  // namespace equipoise::data
