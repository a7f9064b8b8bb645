// Which words an image is shown with while a word-conditional model learns.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <torch/types.h>

namespace equipoise::data {

/// The words of every group of images, in order; numbers into a vocabulary.
struct WordSchedule {
  std::vector<std::vector<int64_t>> words;

  /// Word of each image at its visit v = 0, 1, … : entry (v + offset) mod n of the n words of its
  /// group. An image meets each of its words once in n visits; offsets differ between images, so
  /// that all words come at all times.
  ///
  /// Shapes: all [B] int64; groups in 0 … words.size()-1. Random: the offset, from stream (seed,
  /// kClassChoice, image, 1).
  at::Tensor at_visit(const at::Tensor& groups, const at::Tensor& images, const at::Tensor& visits,
                      uint64_t seed) const;
  /// The first word of each group [B] int64.
  at::Tensor first(const at::Tensor& groups) const;
};

/// Words by group name, "Female/Black", or by a part of it, "Female": a crossed group without words
/// of its own has those of its parts, in the order of the parts.
using WordsByValue = std::map<std::string, std::vector<std::string>>;

/// All words in `by_value`, each once, in the order of the values' names.
std::vector<std::string> words_in(const WordsByValue& by_value);

/// Throws UsageError listing the groups without words and the entries that belong to no group; for
/// words not in `vocabulary`.
WordSchedule make_word_schedule(const std::vector<std::string>& groups,
                                const WordsByValue& by_value,
                                const std::vector<std::string>& vocabulary);

/// What the released code of "Bias Begets Bias" trains on: after each step the word's number is
/// taken for the image's group, so that the second word is another group's. For replications of
/// its numbers alone: measured bias is that of wrong labels.
///
/// Throws UsageError unless all groups have equally many words and every word shown before the last
/// step has the number of a group.
WordSchedule with_release_label_bug(const WordSchedule& schedule);

}  // namespace equipoise::data
