#include "data/word_table.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/check.h"
#include "core/error.h"
#include "core/random.h"
#include "core/spelling.h"
#include "data/groups.h"

namespace equipoise::data {
namespace {

// Far from the numbers of a network's own tensors, which use the same purpose.
constexpr int64_t kFirstStream = int64_t{1} << 32;

[[noreturn]] void refuse(const std::string& what, const std::string& got,
                         const std::string& expected) {
  throw UsageError({.where = "words", .what = what, .got = got, .expected = expected, .hint = ""});
}

void check_distinct(const std::vector<std::string>& words) {
  if (words.empty()) refuse("no words are given", "", "one word at least");
  if (std::set<std::string>(words.begin(), words.end()).size() < words.size())
    refuse("a word comes twice", fmt::format("{}", fmt::join(words, ", ")), "");
}

void check_apart(const at::Tensor& vectors, const std::vector<std::string>& words) {
  const auto sets = coinciding_rows(vectors);
  if (sets.empty()) return;
  std::vector<std::string> same;
  for (const int64_t row : sets.front()) same.push_back(words[static_cast<size_t>(row)]);
  refuse("these words have one vector, which no model can tell apart",
         fmt::format("{}", fmt::join(same, ", ")), "words that differ");
}

/// Takes the direction u_a - u_b out of all but the two words.
at::Tensor without_direction(const at::Tensor& vectors, int64_t a, int64_t b) {
  const at::Tensor exact = vectors.to(at::kDouble);
  const at::Tensor direction = exact[a] - exact[b];
  const at::Tensor along = at::mv(exact, direction) / direction.square().sum();
  at::Tensor result = unit_rows(exact - at::outer(along, direction));
  result[a] = exact[a];
  result[b] = exact[b];
  return result.to(at::kFloat);
}

nlohmann::json rows_to_json(const at::Tensor& matrix) {
  nlohmann::json rows = nlohmann::json::array();
  const at::Tensor values = matrix.contiguous();
  const float* data = values.data_ptr<float>();
  for (int64_t i = 0; i < matrix.size(0); ++i)
    rows.push_back(std::vector<float>(data + i * matrix.size(1), data + (i + 1) * matrix.size(1)));
  return rows;
}

/// Undefined when the rows differ in length.
at::Tensor rows_from_json(const nlohmann::json& json) {
  const auto rows = json.get<std::vector<std::vector<float>>>();
  std::vector<float> values;
  for (const std::vector<float>& row : rows) {
    if (row.size() != rows.front().size()) return {};
    values.insert(values.end(), row.begin(), row.end());
  }
  if (values.empty()) return {};
  return at::tensor(values, at::kFloat).reshape({static_cast<int64_t>(rows.size()), -1});
}

}  // namespace

at::Tensor random_projection(int64_t rows, int64_t columns, uint64_t seed) {
  return random_normal(seed, Purpose::kInit, at::arange(kFirstStream, kFirstStream + rows),
                       {columns}) /
         std::sqrt(static_cast<double>(rows));
}

int64_t WordTable::number_of(const std::string& word) const {
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) throw unknown_name("word of the model", word, words);
  return found - words.begin();
}

at::Tensor WordTable::numbers_of(const std::vector<std::string>& wanted) const {
  std::vector<int64_t> numbers;
  for (const std::string& word : wanted) numbers.push_back(number_of(word));
  return at::tensor(numbers, at::kLong);
}

at::Tensor WordTable::project(const at::Tensor& unit_vectors) const {
  check_shape(unit_vectors, {kAny, projection.size(1)}, "word vectors");
  return at::matmul(unit_vectors.to(at::kDouble), projection.to(at::kDouble).t()).to(at::kFloat);
}

WordTable make_word_table(const WordVectors& vectors, const std::vector<std::string>& words,
                          const WordTableOptions& options, const std::string& source) {
  check_distinct(words);
  WordTable table{
      .words = words,
      .vectors = vectors.of_prompts(words),
      .projection = random_projection(options.embedding_size, vectors.dimension(), options.seed),
      .embeddings = {},
      .source = source};
  check_apart(table.vectors, words);
  if (!options.debias.empty()) {
    if (options.debias.size() != 2)
      refuse("debias names the two ends of one direction",
             fmt::format("{}", fmt::join(options.debias, ", ")), "two words");
    table.vectors = without_direction(table.vectors, table.number_of(options.debias[0]),
                                      table.number_of(options.debias[1]));
    check_apart(table.vectors, words);
  }
  table.embeddings = table.project(table.vectors);
  return table;
}

WordTable make_orthogonal_table(const std::vector<std::string>& words, int64_t embedding_size) {
  check_distinct(words);
  const auto count = static_cast<int64_t>(words.size());
  if (count > embedding_size)
    refuse("more words than directions", fmt::format("{}", count),
           fmt::format("at most {}", embedding_size));
  WordTable table{.words = words,
                  .vectors = at::eye(count),
                  .projection = at::eye(embedding_size, count),
                  .embeddings = {},
                  .source = "orthogonal, without meaning"};
  table.embeddings = table.project(table.vectors);
  return table;
}

WordTable make_attribute_table(const std::vector<std::string>& groups) {
  std::vector<std::pair<size_t, std::string>> values;  // and the attribute each is of
  const auto column = [&](size_t attribute, const std::string& value) {
    const std::pair wanted{attribute, value};
    const auto found = std::find(values.begin(), values.end(), wanted);
    const auto position = found - values.begin();
    if (found == values.end()) values.push_back(wanted);
    return position;
  };
  std::vector<std::vector<int64_t>> ones;
  for (const std::string& group : groups) {
    ones.emplace_back();
    const std::vector<std::string> crossed = values_in(group);
    for (size_t i = 0; i < crossed.size(); ++i) ones.back().push_back(column(i, crossed[i]));
  }
  WordTable table;
  table.words = groups;
  table.source = "attribute vectors";
  if (values_in(groups.front()).size() > 1)
    for (size_t v = 0; v < values.size(); ++v) {
      table.words.push_back(values[v].second);
      ones.push_back({static_cast<int64_t>(v)});
    }
  check_distinct(table.words);
  const auto dimension = static_cast<int64_t>(values.size());
  table.vectors = at::zeros({static_cast<int64_t>(table.words.size()), dimension});
  for (size_t word = 0; word < ones.size(); ++word)
    for (const int64_t one : ones[word]) table.vectors[static_cast<int64_t>(word)][one] = 1;
  table.projection = at::eye(dimension);
  table.embeddings = table.vectors;
  return table;
}

nlohmann::json to_json(const WordTable& table) {
  return {{"words", table.words},
          {"vectors", rows_to_json(table.vectors)},
          {"projection", rows_to_json(table.projection)},
          {"embeddings", rows_to_json(table.embeddings)},
          {"source", table.source}};
}

WordTable word_table_from_json(const nlohmann::json& json, const std::string& where) {
  const auto refuse_file = [&](const std::string& got) {
    throw DataError({.where = where,
                     .what = "the model's words cannot be read",
                     .got = got,
                     .expected = "words, vectors, projection, embeddings, source",
                     .hint = ""});
  };
  WordTable table;
  try {
    table = {.words = json.at("words").get<std::vector<std::string>>(),
             .vectors = rows_from_json(json.at("vectors")),
             .projection = rows_from_json(json.at("projection")),
             .embeddings = rows_from_json(json.at("embeddings")),
             .source = json.at("source").get<std::string>()};
  } catch (const nlohmann::json::exception& error) {
    refuse_file(error.what());
  }
  for (const at::Tensor& part : {table.vectors, table.projection, table.embeddings})
    if (!part.defined()) refuse_file("a matrix whose rows differ in length");
  const auto count = static_cast<int64_t>(table.words.size());
  if (table.vectors.size(0) != count || table.embeddings.size(0) != count ||
      table.projection.size(0) != table.embeddings.size(1) ||
      table.projection.size(1) != table.vectors.size(1))
    refuse_file("parts of different sizes");
  return table;
}

}  // namespace equipoise::data
