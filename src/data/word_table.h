// The words a model is told, as the vectors it is told them by.
//
//   u = word vector of unit length [D]        e = R u [P]        no word: e = 0
//
// R has independent entries N(0, 1/P), drawn once and kept with the model. By Johnson and
// Lindenstrauss it keeps lengths and angles: |R u|^2 / |u|^2 follows chi^2_P / P, of mean 1 and
// standard deviation sqrt(2/P); inner products have standard deviation at most sqrt(2/P). What bias
// the vectors have, e has too, give or take that much: repeat over several seeds.
// Source: Kuchlous, Li and Wang 2024, "Bias Begets Bias" (ICML workshop); Dasgupta and Gupta 2003.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "data/word_vectors.h"

namespace equipoise::data {

/// R [P,D] float32, row i from stream (seed, kInit, 2^32 + i) alone.
at::Tensor random_projection(int64_t rows, int64_t columns, uint64_t seed);

struct WordTable {
  std::vector<std::string> words;  ///< by their numbers
  at::Tensor vectors;              ///< u [V,D] float32
  at::Tensor projection;           ///< R [P,D] float32
  at::Tensor embeddings;           ///< e [V,P] float32
  std::string source;              ///< how the vectors were made

  int64_t embedding_size() const { return embeddings.size(1); }
  /// Throws UsageError listing the words and the nearest one.
  int64_t number_of(const std::string& word) const;
  /// The same for many: [words] int64.
  at::Tensor numbers_of(const std::vector<std::string>& wanted) const;
  /// e of vectors u [n,D]: for words the table lacks.
  at::Tensor project(const at::Tensor& unit_vectors) const;
};

/// How a table is made.
struct WordTableOptions {
  int64_t embedding_size = 128;
  uint64_t seed = 789;
  /// Two words whose difference is taken out of all other vectors; empty = none.
  std::vector<std::string> debias = {};
};

/// Throws UsageError for unknown words, for words that come twice or whose vectors coincide, and
/// unless `debias` is empty or names two of the words.
WordTable make_word_table(const WordVectors& vectors, const std::vector<std::string>& words,
                          const WordTableOptions& options, const std::string& source);
/// A control without meaning: every word at right angles to every other, all at distance sqrt(2).
/// Throws UsageError for more words than `embedding_size`.
WordTable make_orthogonal_table(const std::vector<std::string>& words, int64_t embedding_size);
/// Attribute vectors: a one for every value that a group's name crosses, zeros for all others. Words
/// are the groups; after them, where they cross several attributes, the single values, whose vectors
/// leave the other attributes open. Throws UsageError when two attributes have a value of one name.
WordTable make_attribute_table(const std::vector<std::string>& groups);

/// {"words", "vectors", "projection", "embeddings", "source"}; comes back bit for bit. The second
/// throws DataError naming `where` when a part is missing or of another shape.
nlohmann::json to_json(const WordTable& table);
WordTable word_table_from_json(const nlohmann::json& json, const std::string& where);

}  // namespace equipoise::data
