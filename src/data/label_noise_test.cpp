#include "data/label_noise.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/test_files.h"

namespace equipoise::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

at::Tensor matrix(const std::vector<double>& entries) {
  const auto side =
      static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(entries.size()))));
  return at::tensor(entries, at::kDouble).view({side, side});
}

std::vector<double> column_sums(const at::Tensor& S) {
  const at::Tensor sums = S.sum(0);
  return {sums.data_ptr<double>(), sums.data_ptr<double>() + sums.numel()};
}

/// Labels shown, by true class (row): [K,K] float64.
at::Tensor counts_of(const at::Tensor& labels, const at::Tensor& shown, int64_t num_classes) {
  return at::bincount(labels * num_classes + shown, {}, num_classes * num_classes)
      .view({num_classes, num_classes})
      .to(at::kDouble);
}

at::Tensor repeated_classes(int64_t num_images, int64_t num_classes) {
  return at::arange(num_images, at::kLong).remainder(num_classes);
}

LabelNoiseConfig asymmetric(std::vector<std::string> map, double rate = 0.4) {
  LabelNoiseConfig config;
  config.kind = "asymmetric";
  config.rate = rate;
  config.map = std::move(map);
  return config;
}

TEST(SymmetricNoise, SpreadsTheRateOverTheOtherClasses) {
  const at::Tensor S = symmetric_noise(10, 0.4);
  EXPECT_NEAR(S[3][3].item<double>(), 0.6, 1e-15);
  EXPECT_NEAR(S[3][7].item<double>(), 0.4 / 9, 1e-15);
  EXPECT_TRUE(at::allclose(S.sum(0), at::ones({10}, at::kDouble)));
  EXPECT_TRUE(at::equal(symmetric_noise(4, 0), at::eye(4, at::kDouble)));
}

TEST(AsymmetricNoise, HasThePublishedColumnSums) {
  const at::Tensor S = asymmetric_noise(published_map("cifar10"), 0.4);
  EXPECT_THAT(column_sums(S),
              testing::Pointwise(testing::DoubleNear(1e-12),
                                 {1.4, 1.4, 0.6, 1.0, 0.6, 1.0, 1.0, 1.4, 1.0, 0.6}));
  check_transition(S, 10, "S");
}

TEST(AsymmetricNoise, HasThePublishedMnistMap) {
  const at::Tensor S = asymmetric_noise(published_map("mnist"), 0.25);
  for (const auto& [from, to] : {std::pair{2, 7}, {3, 8}, {5, 6}, {6, 5}})
    EXPECT_EQ(S[from][to].item<double>(), 0.25);
  for (const int64_t whole : {0, 1, 4, 7, 8, 9}) EXPECT_EQ(S[whole][whole].item<double>(), 1);
  EXPECT_THAT(error_of([] { published_map("mnits"); }), HasSubstr("mnist"));
}

TEST(RingMap, TurnsEachClassIntoTheNextOfItsRing) {
  const at::Tensor classes = indices({0, 1, 2, 3, 4, 5}), rings = indices({0, 1, 0, 1, 0, 2});
  EXPECT_THAT(ring_map(classes, rings, 6), ElementsAre(2, 3, 4, 1, 0, 5));
  EXPECT_THAT(error_of([&] {
                ring_map(indices({0, 0}), indices({0, 1}), 1);
              }),
              HasSubstr("images of class 0 lie in several rings"));
}

TEST(NoiseMatrix, ReadsPairsByClassName) {
  ImageSet set = tiny_set({1, 1, 1});
  set.class_names = {"cat", "dog", "owl"};
  const at::Tensor S = noise_matrix(asymmetric({"cat->dog", "owl->cat"}), set);
  EXPECT_TRUE(at::allclose(S, matrix({0.6, 0.4, 0, 0, 1, 0, 0.4, 0, 0.6})));
  EXPECT_THAT(error_of([&] { noise_matrix(asymmetric({"cat->dgo"}), set); }), HasSubstr("dog"));
  EXPECT_THAT(error_of([&] { noise_matrix(asymmetric({"mnist"}), set); }),
              HasSubstr("the published map is of other classes"));
  EXPECT_THAT(error_of([&] { noise_matrix(asymmetric({}), set); }),
              HasSubstr("does not say which class turns into which"));
}

TEST(NoiseMatrix, ReadsRingsFromAnAttribute) {
  ImageSet set = tiny_set({2, 2, 2, 2});
  set.attributes["kind"] = {{"odd", "even"}, set.labels.remainder(2)};
  LabelNoiseConfig config = asymmetric({});
  config.rings = "kind";
  EXPECT_EQ(noise_matrix(config, set)[0][2].item<double>(), 0.4);
  EXPECT_EQ(noise_matrix(config, set)[3][1].item<double>(), 0.4);
}

TEST(NoiseMatrix, ReadsRowsAndFiles) {
  const ImageSet set = tiny_set({1, 1});
  LabelNoiseConfig config;
  config.kind = "matrix";
  EXPECT_THAT(error_of([&] { noise_matrix(config, set); }), HasSubstr("neither rows nor"));
  config.rows = {"0.75 0.25", "0.5, 0.5"};
  const at::Tensor S = noise_matrix(config, set);
  EXPECT_TRUE(at::equal(S, matrix({0.75, 0.25, 0.5, 0.5})));

  const TempFolder folder;
  const std::string file = folder.string() + "/S.csv";
  const at::Tensor odd = matrix({1.0 / 3, 2.0 / 3, 0.1, 0.9});
  save_transition(file, odd, set.class_names);
  LabelNoiseConfig from_file;
  from_file.kind = "matrix";
  from_file.matrix_file = file;
  EXPECT_TRUE(at::equal(noise_matrix(from_file, set), odd));
  EXPECT_THROW(load_transition(file, {"1", "0"}), DataError);
  config.rows = {"0.75 0.25"};
  EXPECT_THAT(error_of([&] { noise_matrix(config, set); }), HasSubstr("1 rows"));
  config.rows = {"0.75 0.25", "0.5 a"};
  EXPECT_THAT(error_of([&] { noise_matrix(config, set); }), HasSubstr("not a number"));
}

TEST(NoiseMatrix, IsTheIdentityWithoutNoise) {
  EXPECT_TRUE(at::equal(noise_matrix({}, tiny_set({1, 1, 1})), at::eye(3, at::kDouble)));
}

// 6,000 labels a class: each of the 9 frequencies strays by more than 4.5 standard errors (at most
// 0.029) with probability 7e-6.
TEST(NoisyLabels, IndependentDrawsFollowTheRows) {
  const at::Tensor S = matrix({0.7, 0.2, 0.1, 0.1, 0.8, 0.1, 0.15, 0.25, 0.6});
  const at::Tensor labels = repeated_classes(18'000, 3);
  const at::Tensor shown = noisy_labels(labels, at::arange(18'000), S, "independent", 5);
  EXPECT_LT((counts_of(labels, shown, 3) / 6000 - S).abs().max().item<double>(), 0.029);
}

TEST(NoisyLabels, ImpossibleLabelsAreNeverShown) {
  const at::Tensor S = asymmetric_noise(published_map("mnist"), 0.4);
  const at::Tensor labels = repeated_classes(5'000, 10);
  for (const char* draw : {"independent", "exact"}) {
    const at::Tensor shown = noisy_labels(labels, at::arange(5'000), S, draw, 1);
    EXPECT_TRUE(counts_of(labels, shown, 10).masked_select(S == 0).eq(0).all().item<bool>())
        << draw;
  }
}

TEST(NoisyLabels, ExactDrawsHaveExactlyTheStatedShares) {
  const at::Tensor labels = repeated_classes(2'000, 10);
  const at::Tensor shown =
      noisy_labels(labels, at::arange(2'000), symmetric_noise(10, 0.45), "exact", 3);
  const at::Tensor counts = counts_of(labels, shown, 10);
  EXPECT_TRUE(counts.diagonal().eq(110).all().item<bool>());
  EXPECT_TRUE(counts.masked_select(at::eye(10, at::kBool).logical_not()).eq(10).all().item<bool>());
  const at::Tensor again =
      noisy_labels(labels, at::arange(2'000), symmetric_noise(10, 0.45), "exact", 4);
  EXPECT_FALSE(at::equal(shown, again));
}

TEST(NoisyLabels, AnImagesLabelDoesNotDependOnTheOthers) {
  const at::Tensor labels = repeated_classes(200, 10), S = symmetric_noise(10, 0.4);
  const at::Tensor all = noisy_labels(labels, at::arange(200), S, "independent", 7);
  const at::Tensor even = at::arange(0, 200, 2);
  const at::Tensor some = noisy_labels(labels, even, S, "independent", 7);
  EXPECT_TRUE(at::equal(some.index_select(0, even), all.index_select(0, even)));
  EXPECT_TRUE(at::equal(some.slice(0, 1, 200, 2), labels.slice(0, 1, 200, 2)))
      << "images that are not named keep their labels";
  EXPECT_FALSE(at::equal(all, noisy_labels(labels, at::arange(200), S, "independent", 8)));
  EXPECT_TRUE(at::equal(labels, repeated_classes(200, 10))) << "the true labels stay as they are";
}

TEST(CheckTransition, RefusesWhatIsNoTransitionMatrixInOneSentence) {
  EXPECT_THAT(error_of([] { check_transition(at::eye(3, at::kDouble), 4, "S"); }),
              HasSubstr("the transition matrix has the wrong size: got 3 x 3, expected 4 x 4"));
  EXPECT_THAT(error_of([] {
                check_transition(matrix({1, 0, 0.5, 0.6}), 2, "S");
              }),
              HasSubstr("row 1 of the transition matrix is no distribution: got sum 1.1"));
  EXPECT_THAT(error_of([] {
                check_transition(matrix({1.2, -0.2, 0, 1}), 2, "S");
              }),
              HasSubstr("row 0 of the transition matrix is no distribution"));
  EXPECT_THROW(check_transition(matrix({NAN, 0, 0, 1}), 2, "S"), UsageError);
}

TEST(CheckInvertible, RefusesSymmetricNoiseAtItsSingularRateOnly) {
  EXPECT_THAT(error_of([] { check_invertible(symmetric_noise(10, 0.9), "S"); }),
              HasSubstr("the transition matrix cannot be undone"));
  check_invertible(symmetric_noise(10, 0.8), "S");
  check_invertible(symmetric_noise(10, 0.95), "S");
  check_invertible(matrix({0, 1, 1, 0}), "S");
  EXPECT_THROW(check_invertible(matrix({0.5, 0.5, 0.5, 0.5}), "S"), UsageError);
}

TEST(GivenLabels, TakeThePlaceOfTheTrueOnesWhereTheyAreAskedFor) {
  const TempFolder folder;
  const ImageSet set = tiny_set({3, 3});  // labels 0 1 0 1 0 1
  const at::Tensor chosen = indices({0, 1, 2, 3});
  const std::string file =
      folder.write("given.csv", "image,label\nimg0,1\nimg1,1\n2,0\nimg3,0\nimg5,0\n");
  const at::Tensor given = read_labels(file, set, chosen);
  EXPECT_TRUE(at::equal(given, indices({1, 1, 0, 0, 0, 1})))
      << "images that are not asked for keep their labels";
  const at::Tensor S =
      counted_transition(set.labels.index_select(0, chosen), given.index_select(0, chosen), 2);
  EXPECT_TRUE(at::equal(S, matrix({0.5, 0.5, 0.5, 0.5})));
  EXPECT_TRUE(
      at::equal(counted_transition(indices({0, 0}), indices({0, 0}), 2), at::eye(2, at::kDouble)));

  const std::string copy = folder.string() + "/copy.csv";
  save_labels(copy, set, chosen, given);
  EXPECT_TRUE(at::equal(read_labels(copy, set, chosen), given));

  const auto problem = [&](const char* text) {
    return error_of([&] { read_labels(folder.write("bad.csv", text), set, chosen); });
  };
  EXPECT_THAT(problem("image,label\nimg0,1\nimg1,1\nimg3,0\n"),
              HasSubstr("training images have no label: got 1 of 4 without one, the first at "
                        "index 2"));
  EXPECT_THAT(problem("image,label\nimg0,1\n0,1\n"), HasSubstr("an image is named twice"));
  EXPECT_THAT(problem("image,label\nimg0,2\n"), HasSubstr("unknown class '2'"));
  EXPECT_THAT(problem("image,label\nimg9,1\n"), HasSubstr("names no image"));
  EXPECT_THAT(problem("name,label\nimg0,1\n"), HasSubstr("image"));
}

}  // namespace
}  // namespace equipoise::data
