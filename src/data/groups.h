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
/// A set without labels, grouped by "class", is one group named "all". Throws UsageError for an
/// unknown attribute, DataError for images without a value of it.
Grouping group_images(const ImageSet& set, const std::vector<std::string>& attributes);

/// The values that a group's name crosses: "Female", "Black" of "Female/Black".
std::vector<std::string> values_in(const std::string& group);

/// The attributes that `text` crosses: "gender", or "genderxrace". An 'x' that belongs to a known
/// attribute stays in it. Throws UsageError listing the known attributes and the nearest one.
std::vector<std::string> crossed_attributes(const std::string& text, const ImageSet& set);

/// Two sets divided into the same groups.
struct SharedGroups {
  std::vector<std::string> names;  ///< those of the first set in its order, then any others
  at::Tensor first_codes;          ///< [N] int64
  at::Tensor second_codes;         ///< [M] int64
};
/// Joins groups of one name. Groups that one set only numbers ("0", "1", ...) are the other's of
/// these numbers; the first's, when there are as many in the second.
SharedGroups share_groups(const Grouping& first, const Grouping& second);

}  // namespace equipoise::data
