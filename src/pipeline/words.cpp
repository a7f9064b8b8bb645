#include "pipeline/words.h"

#include <algorithm>

#include "core/error.h"
#include "data/word_vectors.h"
#include "io/hash.h"

namespace equipoise::pipeline {

void WordsSection::fields(FieldVisitor& f) {
  f("file", file, "", "word vectors in text, GloVe's or word2vec's; switches words on");
  f("orthogonal", orthogonal, "",
    "a control: vectors without meaning, all equally far, in place of a file");
  f("vocabulary", vocabulary, "",
    "words of the model by number; empty = those of [words.of], words there must be among them");
  f("embedding_size", embedding_size, "", "length that word vectors are projected to", {1, 65536});
  f("seed", seed, "", "of the projection", {0, 9e15});
  f("debias", debias, "", "a control: two words whose difference is taken out of all others");
  f("sample", sample, "",
    "words that samples of the run are drawn for, 'WORD,WORD' in turn; empty = none");
  f("release_label_bug", release_label_bug, "",
    "for replications alone: the second and third word of an image are another group's");
}

std::vector<std::string> WordsSection::words() const {
  return vocabulary.empty() ? data::words_in(of) : vocabulary;
}

void read_words(ConfigTree& tree, WordsSection& words) {
  tree.accept_all_below("words.of");
  const nlohmann::json of = tree.value("words.of");
  try {
    if (!of.is_null()) words.of = of.get<data::WordsByValue>();
  } catch (const nlohmann::json::exception&) {
    tree.add_problem("[words.of] holds lists of words: Female = [\"woman\", \"person\"]");
  }
  if (words.is_on() && words.of.empty())
    tree.add_problem("[words.of] is empty: name the words of each group");
  if (!words.is_on() && !words.of.empty())
    tree.add_problem("[words.of] needs words.file, or words.orthogonal = true");
  if (!words.file.empty() && words.orthogonal)
    tree.add_problem("words.file and words.orthogonal exclude each other");
  if (words.orthogonal && !words.debias.empty())
    tree.add_problem("words.debias needs words.file: orthogonal vectors have no bias");
}

data::WordTable make_table(const WordsSection& words) {
  if (words.orthogonal) return data::make_orthogonal_table(words.words(), words.embedding_size);
  return data::make_word_table(data::read_word_vectors(words.file), words.words(),
                               {.embedding_size = words.embedding_size,
                                .seed = static_cast<uint64_t>(words.seed),
                                .debias = words.debias},
                               words.file + ", sha256 " + io::sha256_of_file(words.file) +
                                   ", projection seed " + std::to_string(words.seed));
}

data::WordSchedule make_schedule(const WordsSection& words,
                                 const std::vector<std::string>& groups) {
  const data::WordSchedule schedule = data::make_word_schedule(groups, words.of, words.words());
  return words.release_label_bug ? data::with_release_label_bug(schedule) : schedule;
}

void check_words(const WordsSection& words, const std::vector<std::string>& groups) {
  make_schedule(words, groups);
  make_table(words);
}

nlohmann::json model_words_json(const data::WordTable& table, const data::WordSchedule& schedule,
                                const std::vector<std::string>& groups) {
  std::vector<std::vector<std::string>> by_group;
  for (const std::vector<int64_t>& numbers : schedule.words) {
    by_group.emplace_back();
    for (const int64_t number : numbers)
      by_group.back().push_back(table.words.at(static_cast<size_t>(number)));
  }
  return {{"table", data::to_json(table)}, {"groups", groups}, {"by_group", by_group}};
}

std::optional<ModelWords> words_of_model(const diffusion::ModelConfig& config,
                                         const std::string& where) {
  const auto found = config.extra.find("words");
  if (!config.extra.is_object() || found == config.extra.end()) return std::nullopt;
  try {
    ModelWords words{.table = data::word_table_from_json(found->at("table"), where),
                     .by_group = found->at("by_group").get<std::vector<std::vector<std::string>>>(),
                     .groups = found->at("groups").get<std::vector<std::string>>()};
    if (words.table.embedding_size() == config.shape.label_dim &&
        words.by_group.size() == words.groups.size())
      return words;
  } catch (const nlohmann::json::exception&) {
  }
  throw DataError({.where = where,
                   .what = "the model's words do not fit it",
                   .got = "",
                   .expected = "table, groups, by_group; vectors as long as the condition",
                   .hint = ""});
}

}  // namespace equipoise::pipeline
