#include "audit/word_shares.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace equipoise::audit {
namespace {

/// 40 samples of word 1, three in four of them of the first group; 20 of word 2, all of the second.
WordSamples samples() {
  const at::Tensor few = at::arange(40, at::kLong).remainder(4).eq(0).to(at::kLong);
  return {.predicted = at::cat({few, at::ones({20}, at::kLong)}),
          .words = at::cat({at::full({40}, 1, at::kLong), at::full({20}, 2, at::kLong)}),
          .vocabulary = {"man", "nurse", "engineer"},
          .confusion = {{50, 0}, {0, 50}},
          .group_names = {"Female", "Male"}};
}

TEST(WordShares, AreThoseOfEachWordsOwnSamples) {
  const auto json = shares_by_word(samples(), 0);
  ASSERT_EQ(json.size(), 2u) << "nothing was made for the first word";
  EXPECT_EQ(json[0].at("word"), "nurse");
  EXPECT_EQ(json[0].at("num_samples"), 40);
  EXPECT_EQ(json[1].at("word"), "engineer");
  const double expected[2][2] = {{0.75, 0.25}, {0, 1}};
  for (size_t w = 0; w < 2; ++w)
    for (size_t g = 0; g < 2; ++g) {
      const auto& share = json[w].at("shares")[g];
      EXPECT_EQ(share.at("group"), samples().group_names[g]);
      EXPECT_EQ(share.at("raw").at("value"), expected[w][g]);
      EXPECT_NEAR(share.at("corrected").at("value").get<double>(), expected[w][g], 1e-6);
      EXPECT_LT(share.at("raw").at("low"), share.at("raw").at("high"));
    }
}

TEST(WordShares, AreCorrectedForTheClassifiersErrors) {
  WordSamples wrong = samples();
  wrong.confusion = {{100, 0}, {10, 90}};  // one in ten of the second group is taken for the first
  // Of the 40: observed 3/4 = p + (1 - p) / 10, so that p = 13/18.
  EXPECT_NEAR(shares_by_word(wrong, 0)[0].at("shares")[0].at("corrected").at("value").get<double>(),
              13.0 / 18, 1e-6);
}

TEST(WordShares, RefuseNumbersThatAreNoWords) {
  WordSamples other = samples();
  other.words = other.words + 1;
  EXPECT_THROW(shares_by_word(other, 0), UsageError);
  other.words = other.words.slice(0, 0, 10);
  EXPECT_THROW(shares_by_word(other, 0), UsageError);
}

}  // namespace
}  // namespace equipoise::audit
