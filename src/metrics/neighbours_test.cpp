#include "metrics/neighbours.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "metrics/feature_fixture.h"

namespace equipoise::metrics {
namespace {

TEST(NearestDistances, FindTheNearestInOrder) {
  const at::Tensor queries = at::tensor({0.0, 0.0, 10.0, 0.0}, at::kDouble).view({2, 2});
  const at::Tensor references =
      at::tensor({3.0, 4.0, 0.0, 1.0, 10.0, 0.0}, at::kDouble).view({3, 2});
  const at::Tensor nearest = nearest_distances(queries, references, {.k = 2});
  const at::Tensor expected =
      at::tensor({1.0, 5.0, 0.0, std::sqrt(65.0)}, at::kDouble).view({2, 2});
  EXPECT_TRUE(at::allclose(nearest, expected, 1e-12, 1e-12)) << nearest;
}

TEST(NearestDistances, SkipTheItemItself) {
  const at::Tensor set = at::tensor({0.0, 1.0, 5.0}, at::kDouble).view({3, 1});
  const at::Tensor nearest = nearest_distances(set, set, {.k = 1, .skip_same_row = true});
  EXPECT_TRUE(at::allclose(nearest.view({-1}), at::tensor({1.0, 1.0, 4.0}, at::kDouble)));
}

TEST(NearestDistances, AreTheSameForAnyBudget) {
  const at::Tensor set = golden_features(100, 5, 0, 1);
  const NeighbourOptions roomy{.k = 3, .skip_same_row = true};
  const NeighbourOptions tight{.k = 3, .skip_same_row = true, .budget_bytes = 1};
  EXPECT_TRUE(at::allclose(nearest_distances(set, set, roomy), nearest_distances(set, set, tight),
                           0, 1e-7));
}

TEST(NearestDistances, AreExactForPixels) {
  const at::Tensor pixels =
      at::arange(300 * 784, at::kLong).mul(7919).remainder(256).to(at::kByte).view({300, 784});
  at::Tensor near_copy = pixels.slice(0, 17, 18).clone();
  near_copy[0][5] = (near_copy[0][5].item<int>() + 1) % 256;
  const double step = std::abs(near_copy[0][5].item<int>() - pixels[17][5].item<int>());
  EXPECT_EQ(nearest_distances(pixels.slice(0, 17, 18), pixels, {.k = 1}).item<double>(), 0);
  EXPECT_EQ(nearest_distances(near_copy, pixels, {.k = 1}).item<double>(), step);
}

// tests/golden/metrics_golden.py: scipy.spatial.distance.cdist.
TEST(NearestDistances, AgreeWithScipy) {
  const at::Tensor samples = golden_features(200, 3, 0.0, 1.0);
  const at::Tensor references = golden_features(150, 3, 0.7, 1.2);
  EXPECT_NEAR(nearest_distances(references, samples, {.k = 1}).sum().item<double>(),
              54.90861076055967, 1e-9);
}

TEST(NearestDistances, RefuseTooFewReferencesAndOtherWidths) {
  const at::Tensor three = at::zeros({3, 2});
  EXPECT_THROW(nearest_distances(three, three, {.k = 3, .skip_same_row = true}), UsageError);
  EXPECT_THROW(nearest_distances(three, at::zeros({3, 4}), {.k = 1}), UsageError);
  EXPECT_THROW(nearest_distances(three, at::full({3, 2}, INFINITY), {.k = 1}), NumericError);
}

TEST(OwnNeighbours, AreThoseOfTheSetForEveryK) {
  const at::Tensor set = golden_features(60, 4, 0, 1);
  const OwnNeighbours own(set);
  for (const int64_t k : {3, 1, 30, 20}) {
    const Neighbours expected = nearest_neighbours(set, set, {.k = k, .skip_same_row = true});
    EXPECT_TRUE(at::equal(own.nearest(k).distances, expected.distances)) << k;
    EXPECT_TRUE(at::equal(own.nearest(k).indices, expected.indices)) << k;
    EXPECT_TRUE(at::equal(own.radii(k), neighbour_radii(set, k))) << k;
  }
  EXPECT_THROW(own.nearest(60), UsageError);
}

TEST(CountWithin, CountsWhatIsStrictlyCloser) {
  const at::Tensor queries = at::tensor({0.0, 10.0}, at::kDouble).view({2, 1});
  const at::Tensor references = at::tensor({-1.0, 1.0, 2.0, 10.0}, at::kDouble).view({4, 1});
  const at::Tensor radii = at::tensor({2.0, 0.5}, at::kDouble);
  EXPECT_TRUE(at::equal(count_within(queries, radii, references), at::tensor({2, 1}, at::kLong)));
  EXPECT_TRUE(
      at::equal(count_within(queries, radii, references, 1), at::tensor({2, 1}, at::kLong)));
}

TEST(NearestNeighbours, NameTheRowsTheyFoundForAnyBudget) {
  const at::Tensor queries = golden_features(100, 5, 0, 1);
  const at::Tensor references = golden_features(70, 5, 0.7, 1.2);
  for (const int64_t budget_bytes : {kBlockBudgetBytes, int64_t{1}}) {
    const Neighbours nearest =
        nearest_neighbours(queries, references, {.k = 20, .budget_bytes = budget_bytes});
    const at::Tensor found = references.index_select(0, nearest.indices.view({-1}));
    const at::Tensor distances =
        (found.view({100, 20, 5}) - queries.unsqueeze(1)).square().sum(2).sqrt();
    EXPECT_TRUE(at::allclose(distances, nearest.distances, 1e-9, 1e-9));
    EXPECT_EQ(std::get<0>(at::unique_dim(nearest.indices.slice(0, 0, 1), 1)).numel(), 20);
  }
}

TEST(NearestNeighbours, LeaveOutTheItemItselfInEveryBlock) {
  const at::Tensor set = golden_features(100, 5, 0, 1);
  const Neighbours nearest =
      nearest_neighbours(set, set, {.k = 3, .skip_same_row = true, .budget_bytes = 1});
  EXPECT_FALSE(nearest.indices.eq(at::arange(100, at::kLong).unsqueeze(1)).any().item<bool>());
}

TEST(NeighbourRadii, AreDistancesToTheKthOther) {
  const at::Tensor set = at::tensor({0.0, 1.0, 5.0}, at::kDouble).view({3, 1});
  EXPECT_TRUE(at::equal(neighbour_radii(set, 2), at::tensor({5.0, 4.0, 5.0}, at::kDouble)));
}

TEST(SmallestCoveringRadius, TakesClosedBallsAndIsInfiniteOutside) {
  const at::Tensor centres = at::tensor({0.0, 1.0}, at::kDouble).view({2, 1});
  const at::Tensor radii = at::tensor({1.0, 3.0}, at::kDouble);
  const at::Tensor points = at::tensor({0.5, -1.0, 4.0, 4.001}, at::kDouble).view({4, 1});
  const at::Tensor expected = at::tensor({1.0, 1.0, 3.0, double{INFINITY}}, at::kDouble);
  EXPECT_TRUE(at::equal(smallest_covering_radius(points, centres, radii), expected));
  const at::Tensor of_others =
      smallest_covering_radius(centres, centres, radii, {.skip_same_row = true});
  EXPECT_TRUE(at::equal(of_others, at::tensor({3.0, 1.0}, at::kDouble)));
  EXPECT_THROW(smallest_covering_radius(points, centres, at::ones({3}, at::kDouble)), UsageError);
}

}  // namespace
}  // namespace equipoise::metrics
