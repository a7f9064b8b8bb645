#include "data/image_set.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/spelling.h"

namespace equipoise::data {
namespace {

void check_indices(const at::Tensor& indices, const ImageSet& set) {
  EQUIPOISE_ASSERT(indices.scalar_type() == at::kLong && indices.dim() == 1 &&
                   indices.device().is_cpu());
  const at::Tensor outside =
      indices.masked_select(indices.lt(0).logical_or(indices.ge(set.size())));
  if (outside.numel() > 0)
    throw UsageError({.where = set.source,
                      .what = "an image index is outside the set",
                      .got = std::to_string(outside[0].item<int64_t>()),
                      .expected = fmt::format("0 to {}", set.size() - 1),
                      .hint = ""});
}

}  // namespace

at::Tensor normalised(const at::Tensor& images) {
  return images.scalar_type() == at::kByte ? images.to(at::kFloat).div_(127.5).sub_(1) : images;
}

at::Tensor ImageSet::normalised(const at::Tensor& indices) const {
  check_indices(indices, *this);
  return data::normalised(images.index_select(0, indices));
}

Attribute ImageSet::attribute(const std::string& name) const {
  if (name == "class" && has_labels()) return {class_names, labels};
  if (auto it = attributes.find(name); it != attributes.end()) return it->second;
  std::vector<std::string> known;
  if (has_labels()) known.push_back("class");
  for (const auto& [key, value] : attributes) known.push_back(key);
  throw unknown_name("attribute", name, known);
}

ImageSet ImageSet::select(const at::Tensor& indices) const {
  check_indices(indices, *this);
  ImageSet chosen = *this;
  chosen.keep_alive = nullptr;
  chosen.images = images.index_select(0, indices);
  if (has_labels()) chosen.labels = labels.index_select(0, indices);
  for (auto& [name, attribute] : chosen.attributes)
    attribute.codes = attribute.codes.index_select(0, indices);
  if (!names.empty()) {
    chosen.names.clear();
    for (int64_t i = 0; i < indices.numel(); ++i)
      chosen.names.push_back(names[static_cast<size_t>(indices[i].item<int64_t>())]);
  }
  return chosen;
}

}  // namespace equipoise::data
