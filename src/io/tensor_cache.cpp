#include "io/tensor_cache.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"
#include "io/hash.h"
#include "io/json_lines.h"
#include "io/npy.h"
#include "io/raw_tensor.h"

namespace equipoise::io {
namespace fs = std::filesystem;
namespace {

constexpr const char* kKey = "key";

nlohmann::json key_in(const std::map<std::string, at::Tensor>& arrays, const std::string& where) {
  const auto found = arrays.find(kKey);
  if (found == arrays.end() || found->second.scalar_type() != at::kByte)
    throw DataError({.where = where,
                     .what = "this is no cache file of ours: it does not say what it was made for",
                     .hint = "Delete it"});
  return parse_json(bytes_of(found->second), where + ": key");
}

/// Throws naming the first part in which the keys differ.
void check_is(const nlohmann::json& got, const nlohmann::json& expected, const std::string& where) {
  if (got == expected) return;
  std::string part = kKey, was = got.dump(), wanted = expected.dump();
  for (const auto& [name, value] : expected.items()) {
    if (got.contains(name) && got.at(name) == value) continue;
    part = name;
    was = got.contains(name) ? got.at(name).dump() : "nothing";
    wanted = value.dump();
    break;
  }
  throw DataError({.where = where,
                   .what = fmt::format("this cache file was made for another {}", part),
                   .got = was,
                   .expected = wanted,
                   .hint = "Delete it"});
}

}  // namespace

std::string sha256_of_tensor(const at::Tensor& tensor) {
  const at::Tensor values = contiguous_on_cpu(tensor);
  return Sha256().update(describe(values) + "\n").update(bytes_of(values)).hex();
}

fs::path TensorCache::path_of(const nlohmann::json& key) const {
  return folder_ / (sha256_hex(key.dump()) + ".npz");
}

std::optional<std::map<std::string, at::Tensor>> TensorCache::find(
    const nlohmann::json& key) const {
  const fs::path path = path_of(key);
  if (!fs::exists(path)) return std::nullopt;
  std::map<std::string, at::Tensor> arrays = read_npz(path);
  check_is(key_in(arrays, path.string()), key, path.string());
  arrays.erase(kKey);
  return arrays;
}

void TensorCache::keep(const nlohmann::json& key,
                       const std::map<std::string, at::Tensor>& tensors) const {
  if (tensors.contains(kKey))
    throw UsageError({.where = "cache", .what = "no tensor may be called 'key'"});
  const std::string text = key.dump();
  const at::Tensor bytes = tensor_from_bytes(text, {static_cast<int64_t>(text.size())}, at::kByte);
  std::vector<std::pair<std::string, at::Tensor>> arrays{{kKey, bytes}};
  arrays.insert(arrays.end(), tensors.begin(), tensors.end());
  std::error_code failure;
  fs::create_directories(folder_, failure);
  if (failure)
    throw EnvironmentError({.where = folder_.string(),
                            .what = "the cache folder cannot be made",
                            .got = failure.message()});
  write_npz(path_of(key), arrays);
}

}  // namespace equipoise::io
