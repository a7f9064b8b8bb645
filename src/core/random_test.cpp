#include "core/random.h"

#include <cmath>

#include <gtest/gtest.h>

namespace equipoise {
namespace {

TEST(Philox, AgreesWithThePublishedTestVectors) {
  // Random123's known-answer file, philox4x32 with 10 rounds.
  using Words = std::array<uint32_t, 4>;
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomNormal, RowsDependOnTheirImageNumberAlone) {
  const at::Tensor all = random_normal(7, Purpose::kNoise, at::arange(6), {3, 5});
  const at::Tensor some = random_normal(7, Purpose::kNoise, at::tensor({4, 1}, at::kLong), {3, 5});
  EXPECT_TRUE(at::equal(some[0], all[4]));
  EXPECT_TRUE(at::equal(some[1], all[1]));
  EXPECT_FALSE(at::equal(all[0], all[1]));
  EXPECT_FALSE(at::equal(random_normal(8, Purpose::kNoise, at::arange(6), {3, 5}), all));
  EXPECT_FALSE(at::equal(random_normal(7, Purpose::kLatent, at::arange(6), {3, 5}), all));
  EXPECT_FALSE(at::equal(random_normal(7, Purpose::kNoise, at::arange(6), {3, 5}, 1), all));
}

// Moments of 10^6 draws: bounds are 5 standard errors, false-alarm rate below 1e-5 in all; the seed
// is fixed.
TEST(RandomNormal, HasTheMomentsOfAStandardNormal) {
  const at::Tensor x = random_normal(1, Purpose::kNoise, at::arange(1000), {1000}).to(at::kDouble);
  const double standard_error = 1e-3;
  EXPECT_NEAR(x.mean().item<double>(), 0, 5 * standard_error);
  EXPECT_NEAR(x.pow(2).mean().item<double>(), 1, 5 * std::sqrt(2) * standard_error);
  EXPECT_NEAR(x.pow(3).mean().item<double>(), 0, 5 * std::sqrt(15) * standard_error);
  EXPECT_NEAR(x.pow(4).mean().item<double>(), 3, 5 * std::sqrt(96) * standard_error);
}

// Kolmogorov–Smirnov on 10^5 uniforms: critical value for a false-alarm rate of 1e-6 is 2.69 /
// sqrt(n).
TEST(RandomUniform, IsUniformInsideTheOpenInterval) {
  at::Tensor x = random_uniform(2, Purpose::kSigma, at::arange(100000), {1}).reshape({-1});
  EXPECT_GT(x.min().item<float>(), 0);
  EXPECT_LT(x.max().item<float>(), 1);
  x = std::get<0>(x.to(at::kDouble).sort());
  const at::Tensor expected = (at::arange(100000, at::kDouble) + 0.5) / 100000;
  EXPECT_LT((x - expected).abs().max().item<double>(), 2.69 / std::sqrt(100000.0));
}

TEST(RandomStream, BelowIsUnbiased) {
  // 70000 draws of 7 values: each count is binomial; 5.5 standard deviations, false-alarm rate
  // 3e-7.
  std::array<int, 7> counts{};
  RandomStream stream(3, Purpose::kSplit);
  for (int i = 0; i < 70000; ++i) ++counts[stream.below(7)];
  for (int count : counts) EXPECT_NEAR(count, 10000, 5.5 * std::sqrt(10000 * 6.0 / 7));
}

TEST(RandomPermutation, HoldsEveryElementOnceAndRepeats) {
  const at::Tensor order = random_permutation(RandomStream(4, Purpose::kShuffle, 2), 1000);
  EXPECT_TRUE(at::equal(std::get<0>(order.sort()), at::arange(1000)));
  EXPECT_TRUE(at::equal(order, random_permutation(RandomStream(4, Purpose::kShuffle, 2), 1000)));
  EXPECT_FALSE(at::equal(order, random_permutation(RandomStream(4, Purpose::kShuffle, 3), 1000)));
}

}  // namespace
}  // namespace equipoise
