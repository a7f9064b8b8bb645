#include "nets/extractors/published_weights.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/check.h"
#include "core/error.h"
#include "core/spelling.h"
#include "io/hash.h"
#include "io/safetensors.h"

namespace equipoise::nets {

PublishedWeights::PublishedWeights(NamedTensors tensors, std::string where, std::string sha256)
    : tensors_(std::move(tensors)), where_(std::move(where)), sha256_(std::move(sha256)) {}

PublishedWeights PublishedWeights::read(const std::filesystem::path& path) {
  return {io::read_safetensors(path).tensors, path.string(), io::sha256_of_file(path)};
}

at::Tensor PublishedWeights::take(const std::string& name, at::IntArrayRef shape) {
  const std::string expected = fmt::format("[{}] of a float type", fmt::join(shape, ", "));
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    std::vector<std::string> names;
    for (const auto& [known, tensor] : tensors_) names.push_back(known);
    const std::string nearest = nearest_name(name, names);
    throw DataError({.where = where_ + ": " + name,
                     .what = "the file has no such tensor",
                     .got = nearest.empty() ? fmt::format("{} others", names.size())
                                            : fmt::format("'{}' and others", nearest),
                     .expected = expected,
                     .hint = "the weights of this network, under their published names"});
  }
  const at::Tensor tensor = found->second;
  if (tensor.sizes() != shape || !tensor.is_floating_point())
    throw DataError({.where = where_ + ": " + name,
                     .what = "the tensor does not fit this network",
                     .got = describe(tensor),
                     .expected = expected});
  tensors_.erase(found);
  at::Tensor result = tensor.to(at::kFloat);
  if (result.dim() == 4) result = result.contiguous(at::MemoryFormat::ChannelsLast);
  if (!at::isfinite(result).all().item<bool>())
    throw DataError({.where = where_ + ": " + name,
                     .what = "the tensor holds values that are not finite",
                     .got = "NaN or infinity",
                     .expected = "numbers"});
  return result;
}

void PublishedWeights::check_all_taken() const {
  for (const auto& [name, tensor] : tensors_) {
    const auto is_in_name = [&name = name](const std::string& part) {
      return name.find(part) != std::string::npos;
    };
    if (std::any_of(ignored_.begin(), ignored_.end(), is_in_name)) continue;
    throw DataError({.where = where_ + ": " + name,
                     .what = "this network has no such tensor",
                     .got = describe(tensor),
                     .expected = "the tensors of this network alone",
                     .hint = "another extractor"});
  }
}

}  // namespace equipoise::nets
