#include "data/word_schedule.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace equipoise::data {
namespace {

using Numbers = std::vector<std::vector<int64_t>>;

// The release's six types, its vocabulary and its table.
const std::vector<std::string> kTypes{"female_nurse", "female_phil", "male_nurse",
                                      "male_phil",    "man",         "woman"};
const std::vector<std::string> kVocabulary{"man", "woman", "person", "nurse", "philosopher"};
enum Word : int64_t { kMan, kWoman, kPerson, kNurse, kPhilosopher };

WordSchedule release_schedule() {
  return make_word_schedule(kTypes,
                            {{"female_nurse", {"nurse", "woman", "person"}},
                             {"female_phil", {"philosopher", "woman", "person"}},
                             {"male_nurse", {"nurse", "man", "person"}},
                             {"male_phil", {"philosopher", "man", "person"}},
                             {"man", {"man", "person", "man"}},
                             {"woman", {"woman", "person", "woman"}}},
                            kVocabulary);
}

TEST(WordSchedule, CountsOfTheReleasesWordsAreFourFourSixTwoTwo) {
  std::vector<int64_t> counts(kVocabulary.size(), 0), women(kVocabulary.size(), 0);
  const WordSchedule schedule = release_schedule();
  for (size_t type = 0; type < kTypes.size(); ++type)
    for (const int64_t word : schedule.words[type]) {
      ++counts[static_cast<size_t>(word)];
      if (type <= 1 || type == 5) ++women[static_cast<size_t>(word)];
    }
  EXPECT_EQ(counts, (std::vector<int64_t>{4, 4, 6, 2, 2}));
  for (const Word word : {kPerson, kNurse, kPhilosopher})
    EXPECT_EQ(2 * women[static_cast<size_t>(word)], counts[static_cast<size_t>(word)]);
}

TEST(WordSchedule, TheReleasesBugMovesWordsToOtherGroups) {
  EXPECT_EQ(with_release_label_bug(release_schedule()).words,
            (Numbers{{kNurse, kMan, kPerson},
                     {kPhilosopher, kPerson, kPerson},
                     {kNurse, kMan, kPerson},
                     {kPhilosopher, kPerson, kPerson},
                     {kMan, kWoman, kPerson},
                     {kWoman, kWoman, kPerson}}));
}

TEST(WordSchedule, TheBugIsRefusedWhereAWordIsNoGroup) {
  EXPECT_THROW(with_release_label_bug({.words = {{0, 2}, {1, 2}, {3, 0}}}), UsageError);
  EXPECT_THROW(with_release_label_bug({.words = {{0, 1}, {1}}}), UsageError);
}

TEST(WordSchedule, AnImageMeetsEachOfItsWordsOnceInAsManyVisits) {
  const WordSchedule schedule = release_schedule();
  const at::Tensor images = at::arange(6), groups = at::arange(6);
  Numbers seen(6);
  for (int64_t visit = 0; visit < 3; ++visit) {
    const at::Tensor words = schedule.at_visit(groups, images, at::full({6}, visit, at::kLong), 5);
    for (int64_t i = 0; i < 6; ++i)
      seen[static_cast<size_t>(i)].push_back(words[i].item<int64_t>());
  }
  for (size_t i = 0; i < 6; ++i) {
    std::vector<int64_t> expected = schedule.words[i];
    std::sort(expected.begin(), expected.end());
    std::sort(seen[i].begin(), seen[i].end());
    EXPECT_EQ(seen[i], expected);
  }
}

// Offsets are independent: of 600 images 200 show each word, standard deviation 11.5; five of them
// allowed.
TEST(WordSchedule, AllWordsComeAtAllTimes) {
  const WordSchedule schedule{.words = {{0, 1, 2}}};
  const at::Tensor words = schedule.at_visit(at::zeros({600}, at::kLong), at::arange(600),
                                             at::zeros({600}, at::kLong), 5);
  const at::Tensor counts = at::bincount(words);
  EXPECT_LT((counts - 200).abs().max().item<int64_t>(), 58);
}

TEST(WordSchedule, HeldOutImagesAreShownTheirFirstWord) {
  EXPECT_TRUE(at::equal(release_schedule().first(at::tensor({0, 4, 5}, at::kLong)),
                        at::tensor({kNurse, kMan, kWoman}, at::kLong)));
}

TEST(WordSchedule, CrossedGroupsHaveTheWordsOfTheirParts) {
  const WordsByValue by_value{{"Female", {"woman"}},
                              {"Male", {"man"}},
                              {"Old", {"old"}},
                              {"Young", {"young"}},
                              {"Male/Young", {"boy"}}};
  const std::vector<std::string> vocabulary = words_in(by_value);
  EXPECT_EQ(vocabulary, (std::vector<std::string>{"woman", "man", "boy", "old", "young"}));
  EXPECT_EQ(make_word_schedule({"Female/Old", "Male/Young", "Male/Old", "Female/Young"}, by_value,
                               vocabulary)
                .words,
            (Numbers{{0, 3}, {2}, {1, 3}, {0, 4}}));
}

TEST(WordSchedule, RefusesGroupsWithoutWordsAndWordsWithoutAGroup) {
  const auto problem_of = [](const std::vector<std::string>& groups, const WordsByValue& by_value,
                             const std::vector<std::string>& vocabulary) -> std::string {
    try {
      make_word_schedule(groups, by_value, vocabulary);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(
      problem_of({"Female", "Male"}, {{"Female", {"woman"}}, {"Mal", {"man"}}}, {"woman", "man"}),
      "[[words.of]] groups and words do not match: got groups without words: Male; words "
      "without a group: Mal, expected words for each of Female, Male.");
  EXPECT_EQ(problem_of({"Female"}, {{"Female", {"woman"}}}, {"women"}),
            "[word of the vocabulary] unknown word of the vocabulary 'woman': expected one of: "
            "women. Did you mean 'women'?");
}

}  // namespace
}  // namespace equipoise::data
