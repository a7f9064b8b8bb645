#include "data/word_schedule.h"

#include <algorithm>
#include <set>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "core/random.h"
#include "core/spelling.h"
#include "data/groups.h"

namespace equipoise::data {
namespace {

constexpr uint32_t kOffsetPart = 1;

int64_t number_in(const std::vector<std::string>& vocabulary, const std::string& word) {
  const auto found = std::find(vocabulary.begin(), vocabulary.end(), word);
  if (found == vocabulary.end()) throw unknown_name("word of the vocabulary", word, vocabulary);
  return found - vocabulary.begin();
}

}  // namespace

at::Tensor WordSchedule::at_visit(const at::Tensor& groups, const at::Tensor& images,
                                  const at::Tensor& visits, uint64_t seed) const {
  at::Tensor result = at::empty_like(groups);
  const auto group = groups.accessor<int64_t, 1>(), image = images.accessor<int64_t, 1>(),
             visit = visits.accessor<int64_t, 1>();
  auto word = result.accessor<int64_t, 1>();
  for (int64_t i = 0; i < word.size(0); ++i) {
    const std::vector<int64_t>& own = words.at(static_cast<size_t>(group[i]));
    const uint64_t offset =
        RandomStream(seed, Purpose::kClassChoice, static_cast<uint64_t>(image[i]), kOffsetPart)
            .below(own.size());
    word[i] = own[(static_cast<uint64_t>(visit[i]) + offset) % own.size()];
  }
  return result;
}

at::Tensor WordSchedule::first(const at::Tensor& groups) const {
  at::Tensor result = at::empty_like(groups);
  const auto group = groups.accessor<int64_t, 1>();
  auto word = result.accessor<int64_t, 1>();
  for (int64_t i = 0; i < word.size(0); ++i)
    word[i] = words.at(static_cast<size_t>(group[i])).front();
  return result;
}

std::vector<std::string> words_in(const WordsByValue& by_value) {
  std::vector<std::string> all;
  for (const auto& [value, words] : by_value)
    for (const std::string& word : words)
      if (std::find(all.begin(), all.end(), word) == all.end()) all.push_back(word);
  return all;
}

WordSchedule make_word_schedule(const std::vector<std::string>& groups,
                                const WordsByValue& by_value,
                                const std::vector<std::string>& vocabulary) {
  WordSchedule schedule;
  std::set<std::string> used;
  std::vector<std::string> bare, unused;
  for (const std::string& group : groups) {
    std::vector<int64_t> numbers;
    const auto add = [&](const std::string& value) {
      const auto found = by_value.find(value);
      if (found == by_value.end()) return;
      used.insert(value);
      for (const std::string& word : found->second) numbers.push_back(number_in(vocabulary, word));
    };
    add(group);
    const std::vector<std::string> parts = values_in(group);
    if (numbers.empty() && parts.size() > 1) std::for_each(parts.begin(), parts.end(), add);
    if (numbers.empty()) bare.push_back(group);
    schedule.words.push_back(numbers);
  }
  for (const auto& [value, words] : by_value)
    if (!used.contains(value)) unused.push_back(value);
  if (!bare.empty() || !unused.empty())
    throw UsageError({.where = "[words.of]",
                      .what = "groups and words do not match",
                      .got = fmt::format("groups without words: {}; words without a group: {}",
                                         fmt::join(bare, ", "), fmt::join(unused, ", ")),
                      .expected = fmt::format("words for each of {}", fmt::join(groups, ", ")),
                      .hint = ""});
  return schedule;
}

WordSchedule with_release_label_bug(const WordSchedule& schedule) {
  WordSchedule corrupted;
  const size_t num_steps = schedule.words.empty() ? 0 : schedule.words.front().size();
  for (size_t group = 0; group < schedule.words.size(); ++group) {
    std::vector<int64_t> shown;
    size_t taken_for = group;
    for (size_t step = 0; step < num_steps; ++step) {
      if (taken_for >= schedule.words.size() || schedule.words[taken_for].size() != num_steps)
        throw UsageError({.where = "words.release_label_bug",
                          .what = "the bug needs equally many words a group, and a group for the "
                                  "number of every word",
                          .got = fmt::format("group {}", taken_for),
                          .expected = fmt::format("0 to {}", schedule.words.size() - 1),
                          .hint = "Leave the switch off: it is for replications alone"});
      shown.push_back(schedule.words[taken_for][step]);
      taken_for = static_cast<size_t>(shown.back());
    }
    corrupted.words.push_back(shown);
  }
  return corrupted;
}

}  // namespace equipoise::data
