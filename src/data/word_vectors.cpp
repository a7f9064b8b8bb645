#include "data/word_vectors.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <string_view>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/check.h"
#include "core/error.h"
#include "core/spelling.h"
#include "io/files.h"

namespace equipoise::data {
namespace {

constexpr double kSameWithin = 1e-6;

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  while (!line.empty()) {
    const size_t end = std::min(line.find_first_of(" \t\r"), line.size());
    if (end > 0) fields.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return fields;
}

template <class Number>
bool parse(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

/// Takes the text apart line by line and says where it stops making sense.
class Reader {
 public:
  explicit Reader(std::string where) : where_(std::move(where)) {}

  void read(std::string_view text) {
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      ++line_;
      add(fields_of(text.substr(0, end)));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (words_.empty()) fail("no word vectors", "", "a word and its numbers a line");
    if (promised_ >= 0 && promised_ != static_cast<int64_t>(words_.size()))
      fail("the file ends early", fmt::format("{} vectors", words_.size()),
           fmt::format("{}, as its first line says", promised_));
  }

  WordVectors vectors() {
    const auto count = static_cast<int64_t>(words_.size());
    const at::Tensor table = at::tensor(values_, at::kFloat).reshape({count, dimension_});
    return {std::move(words_), table};
  }

 private:
  void add(const std::vector<std::string_view>& fields) {
    if (fields.empty()) return;
    if (line_ == 1 && fields.size() == 2 && parse(fields[0], promised_) &&
        parse(fields[1], dimension_))
      return;
    const auto count = static_cast<int64_t>(fields.size()) - 1;
    if (dimension_ == 0) dimension_ = count;
    if (count < 1 || count != dimension_)
      fail("a line of another length", fmt::format("{} numbers", count),
           fmt::format("{}", dimension_));
    for (size_t i = 1; i < fields.size(); ++i) {
      float value = 0;
      if (!parse(fields[i], value) || !std::isfinite(value))
        fail("not a number", std::string(fields[i]), "");
      values_.push_back(value);
    }
    words_.emplace_back(fields[0]);
  }

  [[noreturn]] void fail(const std::string& what, const std::string& got,
                         const std::string& expected) const {
    throw DataError({.where = fmt::format("{}, line {}", where_, line_),
                     .what = what,
                     .got = got,
                     .expected = expected,
                     .hint = ""});
  }

  std::string where_;
  int64_t line_ = 0, dimension_ = 0, promised_ = -1;
  std::vector<std::string> words_;
  std::vector<float> values_;
};

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

at::Tensor unit_rows(const at::Tensor& vectors) {
  const at::Tensor norms = vectors.square().sum(1, /*keepdim=*/true).sqrt();
  return vectors / at::where(norms > 0, norms, at::ones_like(norms));
}

WordVectors::WordVectors(std::vector<std::string> words, const at::Tensor& vectors)
    : words_(std::move(words)) {
  check_shape(vectors, {static_cast<int64_t>(words_.size()), kAny}, "word vectors");
  vectors_ = unit_rows(vectors.to(at::kFloat));
  for (size_t i = 0; i < words_.size(); ++i) row_.emplace(words_[i], static_cast<int64_t>(i));
}

std::vector<int64_t> WordVectors::rows_of(const std::string& prompt,
                                          std::vector<std::string>& unknown) const {
  const auto find = [&](const std::string& word) {
    const auto exact = row_.find(word);
    return exact != row_.end() ? exact : row_.find(lower_case(word));
  };
  if (const auto whole = find(prompt); whole != row_.end()) return {whole->second};
  std::vector<int64_t> rows;
  std::string text = prompt;
  std::replace(text.begin(), text.end(), '_', ' ');
  for (const std::string_view part : fields_of(text)) {
    const auto found = find(std::string(part));
    if (found != row_.end())
      rows.push_back(found->second);
    else
      unknown.emplace_back(part);
  }
  if (rows.empty() && unknown.empty()) unknown.push_back(prompt);
  return rows;
}

at::Tensor WordVectors::of_prompts(const std::vector<std::string>& prompts) const {
  std::vector<std::string> unknown;
  at::Tensor result = at::zeros({static_cast<int64_t>(prompts.size()), dimension()});
  for (size_t i = 0; i < prompts.size(); ++i)
    for (const int64_t row : rows_of(prompts[i], unknown))
      result[static_cast<int64_t>(i)] += vectors_[row];
  if (!unknown.empty()) {
    std::vector<std::string> offers;
    for (const std::string& word : unknown) {
      const std::string near = nearest_name(lower_case(word), words_);
      offers.push_back(near.empty() ? fmt::format("'{}'", word)
                                    : fmt::format("'{}' (near: '{}')", word, near));
    }
    throw UsageError({.where = "word vectors",
                      .what = "these words are not in the file",
                      .got = fmt::format("{}", fmt::join(offers, ", ")),
                      .expected = fmt::format("words of its {}", size()),
                      .hint = "a file of more words, or other words"});
  }
  return unit_rows(result);
}

WordVectors read_word_vectors(const std::filesystem::path& path) {
  Reader reader(path.string());
  reader.read(io::read_maybe_gzip(path));
  return reader.vectors();
}

std::vector<std::vector<int64_t>> coinciding_rows(const at::Tensor& vectors) {
  const at::Tensor rows = vectors.to(at::kDouble);
  const int64_t count = rows.size(0);
  std::vector<bool> is_taken(static_cast<size_t>(count), false);
  std::vector<std::vector<int64_t>> sets;
  for (int64_t i = 0; i < count; ++i) {
    if (is_taken[static_cast<size_t>(i)]) continue;
    const double reach = kSameWithin * rows[i].norm().item<double>();
    std::vector<int64_t> same{i};
    for (int64_t j = i + 1; j < count; ++j)
      if (!is_taken[static_cast<size_t>(j)] && (rows[i] - rows[j]).norm().item<double>() <= reach) {
        same.push_back(j);
        is_taken[static_cast<size_t>(j)] = true;
      }
    if (same.size() > 1) sets.push_back(same);
  }
  return sets;
}

}  // namespace equipoise::data
