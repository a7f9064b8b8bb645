#include "data/groups.h"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include "core/error.h"
#include "core/spelling.h"

namespace equipoise::data {
namespace {

Attribute single_group(int64_t num_images) {
  return {{"all"}, at::zeros({num_images}, at::kLong)};
}

/// An attribute that every image has a value of: images without one would be a nameless group.
Attribute complete_attribute(const ImageSet& set, const std::string& name) {
  const Attribute attribute = set.attribute(name);
  const auto nameless = std::ranges::find(attribute.values, "") - attribute.values.begin();
  const at::Tensor lacking = attribute.codes.eq(nameless).nonzero().flatten();
  if (lacking.numel() == 0) return attribute;
  const int64_t first = lacking[0].item<int64_t>();
  throw DataError(
      {.where = set.source,
       .what = fmt::format("images have no value of '{}'", name),
       .got = fmt::format("{} of {} without one, the first {}", lacking.numel(), set.size(),
                          set.names.empty() ? fmt::format("image {}", first)
                                            : set.names[static_cast<size_t>(first)]),
       .expected = "a value for every image",
       .hint = "Write one that says so, such as 'unknown', or leave these images out"});
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

std::vector<std::string> attributes_of(const ImageSet& set) {
  std::vector<std::string> known;
  if (set.has_labels()) known.push_back("class");
  for (const auto& [name, attribute] : set.attributes) known.push_back(name);
  return known;
}

/// `text` as known names joined by 'x'; nothing when it is not that.
std::vector<std::string> parts_of(const std::string& text, const std::vector<std::string>& known) {
  if (std::ranges::find(known, text) != known.end()) return {text};
  for (size_t cut = text.find('x'); cut != text.npos; cut = text.find('x', cut + 1)) {
    const std::string first = text.substr(0, cut);
    if (std::ranges::find(known, first) == known.end()) continue;
    std::vector<std::string> rest = parts_of(text.substr(cut + 1), known);
    if (rest.empty()) continue;
    rest.insert(rest.begin(), first);
    return rest;
  }
  return {};
}

bool are_numbers_only(const std::vector<std::string>& names) {
  for (size_t k = 0; k < names.size(); ++k)
    if (names[k] != std::to_string(k)) return false;
  return true;
}

/// The place of `name` among `names`, to which it is added when it is new.
int64_t place_of(const std::string& name, std::vector<std::string>& names) {
  const auto found = std::ranges::find(names, name);
  const auto place = found - names.begin();
  if (found == names.end()) names.push_back(name);
  return place;
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
  Attribute groups =
      has_no_classes ? single_group(set.size()) : complete_attribute(set, attributes.front());
  for (size_t i = 1; i < attributes.size(); ++i)
    groups = cross(groups, complete_attribute(set, attributes[i]));
  if (attributes.size() > 1) groups = without_empty_values(groups);
  Grouping grouping{attributes, groups.values, groups.codes, {}};
  for (int64_t k = 0; k < grouping.num_groups(); ++k)
    grouping.members.push_back(grouping.codes.eq(k).nonzero().flatten());
  return grouping;
}

std::vector<std::string> values_in(const std::string& group) {
  std::vector<std::string> values;
  std::istringstream text(group);
  for (std::string value; std::getline(text, value, '/');) values.push_back(value);
  return values;
}

std::vector<std::string> crossed_attributes(const std::string& text, const ImageSet& set) {
  const std::vector<std::string> known = attributes_of(set);
  std::vector<std::string> parts = parts_of(text, known);
  if (parts.empty()) throw unknown_name("attribute", text, known);
  return parts;
}

SharedGroups share_groups(const Grouping& first, const Grouping& second) {
  SharedGroups shared{first.names, first.codes, {}};
  const bool is_first_numbered =
      are_numbers_only(first.names) && first.num_groups() == second.num_groups();
  if (is_first_numbered) shared.names = second.names;
  if (is_first_numbered ||
      (are_numbers_only(second.names) && second.num_groups() <= first.num_groups())) {
    shared.second_codes = second.codes;
    return shared;
  }
  std::vector<int64_t> places;
  for (const std::string& name : second.names) places.push_back(place_of(name, shared.names));
  shared.second_codes = at::tensor(places, at::kLong).index_select(0, second.codes);
  return shared;
}

std::vector<int64_t> Grouping::count(const at::Tensor& indices) const {
  const at::Tensor counts = at::bincount(codes.index_select(0, indices), {}, num_groups());
  return {counts.data_ptr<int64_t>(), counts.data_ptr<int64_t>() + num_groups()};
}

}  // namespace equipoise::data
