// Word vectors as GloVe and word2vec publish them in text: a word and its numbers a line.
#pragma once

#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

#include <torch/types.h>

namespace equipoise::data {

/// Words and their vectors.
///
/// A prompt is a word of the list, or several words apart by spaces or underscores, whose unit
/// vectors are added up; the order of words is lost. Words are looked for as they are written, then
/// in lower case.
class WordVectors {
 public:
  /// vectors [N,D]. Throws UsageError unless there is one vector a word.
  WordVectors(std::vector<std::string> words, const at::Tensor& vectors);

  int64_t size() const { return vectors_.size(0); }
  int64_t dimension() const { return vectors_.size(1); }
  /// [prompts,D] float32 of unit length; zero vectors stay zero.
  /// Throws UsageError naming every unknown word, each with the one spelt most like it.
  at::Tensor of_prompts(const std::vector<std::string>& prompts) const;

 private:
  /// Rows of the prompt's words; those not found go into `unknown`.
  std::vector<int64_t> rows_of(const std::string& prompt, std::vector<std::string>& unknown) const;

  std::vector<std::string> words_;
  at::Tensor vectors_;  // [N,D] float32, unit length
  std::unordered_map<std::string, int64_t> row_;
};

/// Reads "word v1 … vD" lines (GloVe), or the same under a first line "N D" (word2vec); the file may
/// be compressed. The first of two lines for one word counts.
/// Throws DataError naming the line that has no word, another number of values, or one that is not
/// finite, and when a word2vec file does not hold the N vectors it promises.
WordVectors read_word_vectors(const std::filesystem::path& path);

/// v / |v|, row by row; zero rows stay zero.
at::Tensor unit_rows(const at::Tensor& vectors);

/// Sets of rows [N,D] that a model cannot tell apart: equal within 1e-6 of the rows' length. Each
/// set in rising order, sets of one left out.
std::vector<std::vector<int64_t>> coinciding_rows(const at::Tensor& vectors);

}  // namespace equipoise::data
