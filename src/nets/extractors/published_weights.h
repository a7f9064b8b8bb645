// Weights trained elsewhere: the tensors of one file, handed out by name.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "nets/state.h"

namespace equipoise::nets {

/// A network takes the tensors it is made of; what is missing, of another shape or left over is
/// reported with the file's name.
class PublishedWeights {
 public:
  /// `where` stands for the file in messages; `sha256` is the file's.
  PublishedWeights(NamedTensors tensors, std::string where, std::string sha256 = "");
  /// Throws DataError when the file cannot be read (io/safetensors.h).
  static PublishedWeights read(const std::filesystem::path& path);

  /// The tensor `name` as float32; float16, bfloat16 and float64 are converted. Four axes lie
  /// channels-last, as convolutions want their weights.
  /// Throws DataError when it is missing, of another shape, no float, or not finite.
  at::Tensor take(const std::string& name, at::IntArrayRef shape);
  /// Tensors with `part` in their name may be left over.
  void ignore(const std::string& part) { ignored_.push_back(part); }
  /// Throws DataError naming the first tensor that nobody took.
  void check_all_taken() const;

  const std::string& where() const { return where_; }
  const std::string& sha256() const { return sha256_; }

 private:
  NamedTensors tensors_;
  std::string where_, sha256_;
  std::vector<std::string> ignored_;
};

}  // namespace equipoise::nets
