// Against a search over all supports, and the conditions of the minimum.
#include "audit/simplex_fit.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/random.h"

namespace equipoise::audit {
namespace {

at::Tensor random_rows(int64_t count, int64_t dimension, uint64_t seed) {
  return random_normal(seed, Purpose::kToyData, at::arange(count), {dimension}).to(at::kDouble);
}

at::Tensor gram_of(const at::Tensor& rows) {
  return at::matmul(rows, rows.t());
}

double value_at(const at::Tensor& gram, const std::vector<double>& weights) {
  const at::Tensor a = at::tensor(weights, at::kDouble);
  return a.dot(at::mv(gram, a)).item<double>();
}

/// Least value over all supports whose affine minimiser is feasible.
double least_by_search(const at::Tensor& gram) {
  const int64_t count = gram.size(0);
  double least = std::numeric_limits<double>::infinity();
  for (int64_t mask = 1; mask < (int64_t{1} << count); ++mask) {
    std::vector<int64_t> support;
    for (int64_t k = 0; k < count; ++k)
      if (mask >> k & 1) support.push_back(k);
    const at::Tensor chosen = at::tensor(support, at::kLong);
    const at::Tensor part = gram.index_select(0, chosen).index_select(1, chosen);
    const at::Tensor weights = at::linalg_solve(part, at::ones({part.size(0)}, at::kDouble));
    const at::Tensor a = weights / weights.sum();
    if (a.min().item<double>() < -1e-9) continue;
    least = std::min(least, a.dot(at::mv(part, a)).item<double>());
  }
  return least;
}

TEST(SimplexFit, FindsTheLeastOfAllSupports) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const int64_t count = 2 + static_cast<int64_t>(seed % 6);
    // Shifted, so that the origin lies inside the hull in some cases and outside in others.
    const at::Tensor gram =
        gram_of(random_rows(count, 8, seed) + 0.1 * static_cast<double>(seed % 5));
    const std::vector<double> weights = nearest_in_hull(gram);
    double sum = 0;
    for (const double weight : weights) {
      EXPECT_GE(weight, 0);
      sum += weight;
    }
    EXPECT_NEAR(sum, 1, 1e-12);
    EXPECT_LT(optimality_gap(gram, weights), 1e-10);
    EXPECT_NEAR(value_at(gram, weights), least_by_search(gram), 1e-9);
  }
}

TEST(SimplexFit, ManyCornersMeetTheConditionsOfTheMinimum) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const at::Tensor gram = gram_of(random_rows(30, 12, 100 + seed) + 0.3);
    EXPECT_LT(optimality_gap(gram, nearest_in_hull(gram)), 1e-9);
  }
}

TEST(SimplexFit, TwoCornersInClosedFormAreTheSame) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const at::Tensor gram = gram_of(random_rows(2, 3, seed));
    const std::vector<double> closed = nearest_on_segment(gram), found = nearest_in_hull(gram);
    EXPECT_NEAR(closed[0], found[0], 1e-9);
    EXPECT_NEAR(closed[1], found[1], 1e-9);
  }
}

TEST(SimplexFit, EqualCornersShareWhatTheOneWouldHave) {
  const at::Tensor rows = random_rows(3, 6, 5) + 0.2;
  const std::vector<double> apart = nearest_in_hull(gram_of(rows));
  const at::Tensor doubled = at::cat({rows, rows.slice(0, 0, 1)});
  const std::vector<double> together = nearest_in_hull(gram_of(doubled));
  EXPECT_NEAR(together[0] + together[3], apart[0], 1e-9);
  EXPECT_NEAR(together[1], apart[1], 1e-9);
}

TEST(SimplexFit, NothingToTellApartIsShared) {
  EXPECT_EQ(nearest_on_segment(at::ones({2, 2}, at::kDouble)), (std::vector<double>{0.5, 0.5}));
  EXPECT_EQ(nearest_in_hull(at::zeros({4, 4}, at::kDouble)), (std::vector<double>(4, 0.25)));
}

}  // namespace
}  // namespace equipoise::audit
