// Models told of words: what a run says of them, and what is found in a trained model's file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/config.h"
#include "data/word_schedule.h"
#include "data/word_table.h"
#include "diffusion/precondition.h"

namespace equipoise::pipeline {

/// The [words] table; [words.of] holds the words of each group, or of each value of an attribute.
struct WordsSection {
  std::string file;
  bool orthogonal = false;
  bool attributes = false;
  std::vector<std::string> vocabulary;
  int64_t embedding_size = 128;
  int64_t seed = 789;
  std::vector<std::string> debias;
  std::string sample;
  bool release_label_bug = false;
  data::WordsByValue of = {};

  void fields(FieldVisitor& f);
  bool is_on() const { return !file.empty() || orthogonal || attributes; }
};

/// Reads [words.of] and reports what does not go together.
void read_words(ConfigTree& tree, WordsSection& words);

/// The words of a run on these groups, by their numbers: `vocabulary`, the words of `of`, or, told of
/// attributes, the groups and their values.
std::vector<std::string> vocabulary(const WordsSection& words,
                                    const std::vector<std::string>& groups);

/// Table and schedule of a run on these groups. Throws UsageError for words that are unknown or
/// coincide, and groups without words; DataError for the file.
///
/// With attributes = true and no [words.of], half of an image's visits tell all its values; where
/// groups cross several attributes, the others tell one value alone, so that prompts may leave
/// attributes open.
data::WordTable make_table(const WordsSection& words, const std::vector<std::string>& groups);
data::WordSchedule make_schedule(const WordsSection& words, const std::vector<std::string>& groups);
/// Makes both, looks up the words of `sample`, and throws all away: what is wrong is found before an
/// hour of training.
void check_words(const WordsSection& words, const std::vector<std::string>& groups);

/// What a word-conditional model's file says of its words.
struct ModelWords {
  data::WordTable table;
  /// Words each group was shown with, in the order of `groups`.
  std::vector<std::vector<std::string>> by_group;
  std::vector<std::string> groups;
};
/// The "words" entry of ModelConfig::extra.
nlohmann::json model_words_json(const data::WordTable& table, const data::WordSchedule& schedule,
                                const std::vector<std::string>& groups);
/// Nothing for models of another kind. Throws DataError naming `where` when the entry is broken.
std::optional<ModelWords> words_of_model(const diffusion::ModelConfig& config,
                                         const std::string& where);

}  // namespace equipoise::pipeline
