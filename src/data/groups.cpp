#include "data/groups.h"

#include <fmt/format.h>

#include "core/error.h"

namespace equipoise::data {
namespace {

Attribute single_group(int64_t num_images) {
  return {{"all"}, at::zeros({num_images}, at::kLong)};
}

/// Every pair of values, as "Female/Black"; the last attribute's values change fastest.
Attribute cross(const Attribute& left, const Attribute& right) {
  const auto num_right = static_cast<int64_t>(right.values.size());
  Attribute product{{}, left.codes * num_right + right.codes};
  for (const std::string& first : left.values)
    for (const std::string& second : right.values)
      product.values.push_back(fmt::format("{}/{}", first, second));
  return product;
}

/// A cross has cells that no image is in; they are no groups.
Attribute without_empty_values(const Attribute& attribute) {
  const auto num_values = static_cast<int64_t>(attribute.values.size());
  const at::Tensor occupied = at::bincount(attribute.codes, {}, num_values).gt(0);
  const at::Tensor new_code = occupied.to(at::kLong).cumsum(0) - 1;
  Attribute kept{{}, new_code.index_select(0, attribute.codes)};
  for (int64_t k = 0; k < num_values; ++k)
    if (occupied[k].item<bool>()) kept.values.push_back(attribute.values[static_cast<size_t>(k)]);
  return kept;
}

}  // namespace

Grouping group_images(const ImageSet& set, const std::vector<std::string>& attributes) {
  if (attributes.empty())
    throw UsageError({.where = "data.split.attributes",
                      .what = "no attribute is named",
                      .got = "an empty list",
                      .expected = "at least one attribute, such as \"class\"",
                      .hint = ""});
  const bool has_no_classes = !set.has_labels() && attributes == std::vector<std::string>{"class"};
  Attribute groups = has_no_classes ? single_group(set.size()) : set.attribute(attributes.front());
  for (size_t i = 1; i < attributes.size(); ++i)
    groups = cross(groups, set.attribute(attributes[i]));
  if (attributes.size() > 1) groups = without_empty_values(groups);
  Grouping grouping{attributes, groups.values, groups.codes, {}};
  for (int64_t k = 0; k < grouping.num_groups(); ++k)
    grouping.members.push_back(grouping.codes.eq(k).nonzero().flatten());
  return grouping;
}

std::vector<int64_t> Grouping::count(const at::Tensor& indices) const {
  const at::Tensor counts = at::bincount(codes.index_select(0, indices), {}, num_groups());
  return {counts.data_ptr<int64_t>(), counts.data_ptr<int64_t>() + num_groups()};
}

}  // namespace equipoise::data
