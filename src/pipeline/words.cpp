#include "pipeline/words.h"

#include <sstream>

#include "core/error.h"
#include "data/groups.h"
#include "data/word_vectors.h"
#include "io/hash.h"

namespace equipoise::pipeline {

void WordsSection::fields(FieldVisitor& f) {
  f("file", file, "", "word vectors in text, GloVe's or word2vec's; switches words on");
  f("orthogonal", orthogonal, "",
    "a control: vectors without meaning, all equally far, in place of a file");
  f("attributes", attributes, "",
    "in place of words, a vector of ones and zeros that says all attribute values of an image; a "
    "prompt is a group, Female/Black, or one value, Female");
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

std::vector<std::string> vocabulary(const WordsSection& words,
                                    const std::vector<std::string>& groups) {
  if (words.attributes) return data::make_attribute_table(groups).words;
  return words.vocabulary.empty() ? data::words_in(words.of) : words.vocabulary;
}

namespace {

data::WordsByValue words_by_value(const WordsSection& words,
                                  const std::vector<std::string>& groups) {
  if (!words.of.empty()) return words.of;
  data::WordsByValue all_values;
  for (const std::string& group : groups) {
    const std::vector<std::string> values = data::values_in(group);
    std::vector<std::string>& own = all_values[group];
    own.assign(values.size(), group);
    if (values.size() > 1) own.insert(own.end(), values.begin(), values.end());
  }
  return all_values;
}

}  // namespace

void read_words(ConfigTree& tree, WordsSection& words) {
  tree.accept_all_below("words.of");
  const nlohmann::json of = tree.value("words.of");
  try {
    if (!of.is_null()) words.of = of.get<data::WordsByValue>();
  } catch (const nlohmann::json::exception&) {
    tree.add_problem("[words.of] holds lists of words: Female = [\"woman\", \"person\"]");
  }
  const int num_sources = !words.file.empty() + words.orthogonal + words.attributes;
  if (num_sources > 1)
    tree.add_problem("words.file, words.orthogonal and words.attributes exclude each other");
  if (num_sources == 0 && !words.of.empty())
    tree.add_problem("[words.of] needs words.file, words.orthogonal or words.attributes");
  if (words.is_on() && !words.attributes && words.of.empty())
    tree.add_problem("[words.of] is empty: name the words of each group");
  if (words.file.empty() && !words.debias.empty())
    tree.add_problem("words.debias needs words.file: other vectors have no bias");
  if (words.attributes && !words.vocabulary.empty())
    tree.add_problem("words.attributes has the groups' names for its vocabulary: leave it out");
}

data::WordTable make_table(const WordsSection& words, const std::vector<std::string>& groups) {
  if (words.attributes) return data::make_attribute_table(groups);
  const std::vector<std::string> list = vocabulary(words, groups);
  if (words.orthogonal) return data::make_orthogonal_table(list, words.embedding_size);
  return data::make_word_table(data::read_word_vectors(words.file), list,
                               {.embedding_size = words.embedding_size,
                                .seed = static_cast<uint64_t>(words.seed),
                                .debias = words.debias},
                               words.file + ", sha256 " + io::sha256_of_file(words.file) +
                                   ", projection seed " + std::to_string(words.seed));
}

data::WordSchedule make_schedule(const WordsSection& words,
                                 const std::vector<std::string>& groups) {
  const data::WordSchedule schedule =
      data::make_word_schedule(groups, words_by_value(words, groups), vocabulary(words, groups));
  return words.release_label_bug ? data::with_release_label_bug(schedule) : schedule;
}

void check_words(const WordsSection& words, const std::vector<std::string>& groups) {
  make_schedule(words, groups);
  const data::WordTable table = make_table(words, groups);
  std::istringstream wanted(words.sample == "random" ? "" : words.sample);
  for (std::string word; std::getline(wanted, word, ',');) table.number_of(word);
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
