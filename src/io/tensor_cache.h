// Tensors that cost much to compute, kept on disk under all that decides them.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include <torch/types.h>
#include <nlohmann/json.hpp>

namespace equipoise::io {

/// SHA-256 of a tensor's dtype, shape and values, wherever it lies in memory.
std::string sha256_of_tensor(const at::Tensor& tensor);

/// A folder of npz files named FOLDER/<SHA-256 of the key>.npz. A key is a JSON object of all that
/// decides the tensors; it should hold the version of what computes them. Each file holds its key
/// too, as bytes of the array "key", and is refused where that is another than was asked for.
class TensorCache {
 public:
  /// The folder is made when something is first kept.
  explicit TensorCache(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// What was kept under `key`; nothing when there is no such file.
  /// Throws DataError when the file is damaged, or holds another key (naming the first part that
  /// differs).
  std::optional<std::map<std::string, at::Tensor>> find(const nlohmann::json& key) const;
  /// Atomic. Throws UsageError for a tensor called "key", EnvironmentError when the disk fails.
  void keep(const nlohmann::json& key, const std::map<std::string, at::Tensor>& tensors) const;
  std::filesystem::path path_of(const nlohmann::json& key) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace equipoise::io
