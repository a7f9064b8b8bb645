// Sets measured, and measured numbers judged, without training anything.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/random.h"
#include "io/files.h"
#include "io/json_lines.h"
#include "io/npy.h"
#include "io/safetensors.h"
#include "io/scratch_folder.h"
#include "nets/extractors/golden_weights.h"
#include "program.h"
#include "small_model.h"
#include "striped_images.h"

namespace equipoise::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

/// A reference of three classes in turn, and samples that lack most of the last one.
struct Evaluate : testing::Test {
  io::ScratchFolder scratch;
  const std::string reference = scratch / "reference", samples = scratch / "samples.npz",
                    json = scratch / "evaluation.json", weights = scratch / "weights.safetensors",
                    classifier = scratch / "classifier.safetensors";

  Evaluate() {
    write_striped_idx(reference, 90);
    write_samples(samples, 60);
  }
  /// Noise images, of classes 0, 1, 0, 1, …, but every twentieth of class 2.
  static void write_samples(const std::string& path, int64_t num_images, uint64_t seed = 1) {
    const at::Tensor numbers = at::arange(num_images, at::kLong);
    const at::Tensor pixels = random_uniform(seed, Purpose::kToyData, numbers, {8, 8, 1}) * 255;
    const at::Tensor labels =
        at::where(numbers.remainder(20).eq(0), at::full_like(numbers, 2), numbers.remainder(2));
    io::write_npz(path, {{"arr_0", pixels.to(at::kByte)}, {"arr_1", labels}});
  }
  void write_weights() const {
    io::write_safetensors(weights, nets::golden_weights("face_age_gender"));
  }
  Arguments arguments(const Arguments& more) const {
    Arguments all{"evaluate", "--samples", samples, "--reference", reference};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Arguments with_network(const Arguments& more) const {
    Arguments all{"--features", "face_age_gender", "--weights", weights,
                  "--metrics",  "frechet,kid",     "--option",  "frechet.bootstrap=20"};
    all.insert(all.end(), more.begin(), more.end());
    return arguments(all);
  }
  /// What `evaluate --json` writes.
  nlohmann::json evaluated(Arguments all) const {
    all.insert(all.end(), {"--json", json});
    const Outcome outcome = equipoise(all);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.code == 0 ? io::read_json(json) : nlohmann::json();
  }
  int gate(const std::string& requirement, const Arguments& more = {}) const {
    Arguments all{"gate", json, "--require", requirement};
    all.insert(all.end(), more.begin(), more.end());
    return equipoise(all).code;
  }
};

TEST_F(Evaluate, PlainFormPrintsWhatItAlwaysPrinted) {
  const Outcome outcome = equipoise(arguments({}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(std::ranges::count(outcome.out, '\n'), 2);
  EXPECT_THAT(outcome.out, testing::StartsWith("Fréchet distance: "));
  EXPECT_THAT(outcome.out, HasSubstr("\ncoverage: "));
}

TEST_F(Evaluate, StatesTheRecipeOfFeaturesOfANetwork) {
  write_weights();
  const Outcome outcome = equipoise(with_network({"--json", json}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("60 samples and 90 reference images for 512 features"));
  EXPECT_THAT(outcome.err, HasSubstr("read kid"));
  EXPECT_THAT(outcome.out, HasSubstr("\nkid: "));
  const auto evaluation = io::read_json(json);
  EXPECT_EQ(evaluation.at("format"), "equipoise-evaluation/1");
  EXPECT_FALSE(evaluation.contains("coverage"));
  const auto& recipe = evaluation.at("recipe");
  EXPECT_EQ(recipe.at("features").at("name"), "face_age_gender");
  EXPECT_EQ(recipe.at("features").at("weights_sha256").get<std::string>().size(), 64u);
  EXPECT_EQ(recipe.at("features").at("resize"), "bilinear_antialias");
  EXPECT_EQ(recipe.at("num_samples"), 60);
  EXPECT_EQ(recipe.at("num_reference"), 90);
  const std::string hash = recipe.at("reference_sha256");
  EXPECT_EQ(hash.size(), 64u);
  EXPECT_EQ(evaluation.at("frechet").at("recipe").at("reference_sha256"), hash);
  EXPECT_THAT(evaluation.at("kid").at("recipe").at("features").get<std::string>(),
              HasSubstr("face_age_gender"));
}

TEST_F(Evaluate, CachesFeaturesByContentAndRefusesOnesMadeForOthers) {
  write_weights();
  const std::string cache = scratch / "cache";
  const auto first = evaluated(with_network({"--cache", cache}));
  std::vector<fs::path> files(fs::directory_iterator(cache), fs::directory_iterator{});
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(evaluated(with_network({"--cache", cache})), first);
  EXPECT_EQ(evaluated(with_network({})), first);
  fs::copy_file(files[0], files[1], fs::copy_options::overwrite_existing);
  expect_failure(equipoise(with_network({"--cache", cache})), kData,
                 {files[1], "made for another images_sha256", "Delete it"});
}

TEST_F(Evaluate, StatisticsStandForTheReference) {
  write_weights();
  const std::string stats = scratch / "stats.npz";
  const auto of_images = evaluated(with_network({"--save-stats", stats}));
  const Arguments against{"evaluate", "--samples",           samples, "--reference", stats,
                          "--option", "frechet.bootstrap=20"};
  Arguments network = against;
  network.insert(network.end(), {"--features", "face_age_gender", "--weights", weights});
  const auto of_statistics = evaluated(network);
  EXPECT_NEAR(of_statistics.at("frechet").at("value").get<double>(),
              of_images.at("frechet").at("value").get<double>(), 1e-9);
  EXPECT_EQ(of_statistics.at("reference").at("num"), 90);
  expect_failure(equipoise(against), kData, {stats, "other features", "face_age_gender", "pixels"});
  network.insert(network.end(), {"--group", "class"});
  expect_failure(equipoise(network), kUsage, {"mean and covariance", "the Fréchet distance alone"});
}

TEST_F(Evaluate, StatisticsAreMadeWithoutSamplesAndReadFromOtherTools) {
  const std::string stats = scratch / "stats.npz", plain = scratch / "plain.npz";
  const Outcome saved = equipoise({"evaluate", "--reference", reference, "--save-stats", stats});
  ASSERT_EQ(saved.code, 0) << saved.err;
  EXPECT_THAT(saved.out, HasSubstr("90 images"));
  const io::NpzReader archive(stats);
  EXPECT_EQ(archive.read("mu").sizes(), at::IntArrayRef({64}));
  EXPECT_EQ(archive.read("sigma").sizes(), at::IntArrayRef({64, 64}));
  EXPECT_EQ(archive.read("sigma").scalar_type(), at::kDouble);
  io::write_npz(plain, {{"mu", archive.read("mu")}, {"sigma", archive.read("sigma")}});
  const double expected = evaluated(arguments({})).at("frechet").at("value");
  for (const std::string& file : {stats, plain}) {
    const auto evaluation = evaluated({"evaluate", "--samples", samples, "--reference", file});
    // Chunks are summed in another order, which the root of a singular covariance magnifies.
    EXPECT_NEAR(evaluation.at("frechet").at("value").get<double>(), expected, 1e-6);
  }
  io::write_npz(plain, {{"mu", archive.read("mu")}, {"sigma", at::zeros({3, 3})}});
  expect_failure(equipoise({"evaluate", "--samples", samples, "--reference", plain}), kData,
                 {plain, "do not fit together", "[3, 3]"});
}

TEST_F(Evaluate, CountsGroupsThatTheSamplesCarry) {
  const auto evaluation = evaluated(arguments({"--group", "class", "--target", "even"}));
  EXPECT_EQ(evaluation.at("counts"), (std::vector<int>{27, 30, 3}));
  EXPECT_NEAR(evaluation.at("total_variation").at("raw").at("value").get<double>(), 1.0 / 3 - 0.05,
              1e-9);
  EXPECT_FALSE(evaluation.at("total_variation").contains("corrected"));
  EXPECT_TRUE(evaluation.at("share_distances").contains("kl"));
  EXPECT_NEAR(evaluation.at("group_frames")
                  .at("representation")
                  .at("by_group")
                  .at("2")
                  .at("value")
                  .get<double>(),
              0.15, 1e-9);
  EXPECT_EQ(evaluation.at("groups").at("attribute"), "class");
  const auto stated = evaluated(arguments({"--group", "class", "--target", "0=0.45,1=0.5,2=0.05"}));
  EXPECT_NEAR(stated.at("total_variation").at("raw").at("value").get<double>(), 0, 1e-12);
}

TEST_F(Evaluate, MeasuresGroupsApartAndNamesThoseTooSmall) {
  const Arguments all =
      arguments({"--class-wise", "--min-group", "20", "--metrics", "coverage,kid"});
  const auto evaluation = evaluated(all);
  const auto& by_group = evaluation.at("by_group");
  ASSERT_EQ(by_group.at("groups").size(), 2u);
  EXPECT_EQ(by_group.at("groups")[1].at("group"), "1");
  EXPECT_EQ(by_group.at("groups")[1].at("num_samples"), 30);
  EXPECT_TRUE(by_group.at("groups")[1].contains("coverage"));
  EXPECT_EQ(by_group.at("left_out")[0].at("group"), "2");
  EXPECT_TRUE(evaluation.at("group_frames").contains("kid"));
  EXPECT_THAT(equipoise(all).err, HasSubstr("group '2' is left out"));
}

TEST_F(Evaluate, AuditsTheClassifierThatCounts) {
  write_small_classifier(classifier, 3);
  const auto evaluation = evaluated(arguments({"--classifier", classifier, "--target", "even"}));
  EXPECT_TRUE(evaluation.at("shares")[0].contains("corrected"));
  const auto& accuracy = evaluation.at("group_frames").at("accuracy");
  EXPECT_EQ(accuracy.at("by_group").size(), 3u);
  EXPECT_EQ(accuracy.at("count").at("0"), 30);
  EXPECT_TRUE(accuracy.at("difference").contains("floor_high"));
}

TEST_F(Evaluate, MatchesTheClassifiersClassesByName) {
  write_small_classifier(classifier, 3, {"cat", "bee", "ant"});
  const auto evaluation = evaluated({"evaluate", "--samples", samples, "--reference",
                                     reference + "?classes=ant,bee,cat", "--classifier", classifier,
                                     "--target", "ant=0.5,bee=0.2,cat=0.3"});
  EXPECT_THAT(evaluation.at("groups").at("names"), testing::ElementsAre("cat", "bee", "ant"));
  EXPECT_THAT(evaluation.at("groups").at("target").at("shares"),
              testing::ElementsAre(0.3, 0.2, 0.5));
}

TEST_F(Evaluate, ComparesTwoModelsOfTheSameLatents) {
  const std::string other = scratch / "other.npz";
  write_samples(other, 60, /*seed=*/2);
  const Arguments all = arguments({"--group", "class", "--metrics", "shares", "--against"});
  const auto against = [&](const std::string& set) {
    Arguments one = all;
    one.push_back(set);
    return evaluated(one).at("paired");
  };
  EXPECT_FALSE(against(samples).at("frechet").at("is_distinguishable").get<bool>());
  EXPECT_EQ(against(other).at("total_variation").at("value"), 0);
  EXPECT_EQ(against(other).at("frechet").at("p_value").is_number(), true);
  write_samples(other, 59);
  Arguments one = all;
  one.push_back(other);
  expect_failure(equipoise(one), kData, {other, "59", "60"});
}

TEST_F(Evaluate, GateTellsByItsExitCode) {
  evaluated(arguments({"--group", "class"}));
  EXPECT_EQ(gate("tv<=0.5"), 0);
  EXPECT_EQ(gate("tv<=0.01"), kFails);
  EXPECT_EQ(gate("share.1>=0.4"), 0);
  EXPECT_EQ(gate("share.1>=0.4", {"--on", "lower"}), kFails);
  EXPECT_EQ(gate("coverage>=0", {"--require", "tv<0"}), kFails);
  const Outcome outcome = equipoise({"gate", "--require", "tv<=0.5", "--require", "kl<=0", json});
  EXPECT_THAT(outcome.out, testing::StartsWith("holds  tv<=0.5  "));
  EXPECT_THAT(outcome.out, HasSubstr("\nfails  kl<=0  "));
  expect_failure(equipoise({"gate", json, "--require", "frechett<=1"}), kUsage,
                 {"Did you mean 'frechet'?"});
  expect_failure(equipoise({"gate", json, "--require", "tv=1"}), kUsage, {"'tv=1'"});
  expect_failure(equipoise({"gate", samples, "--require", "tv<=1"}), kData, {samples});
}

struct BadEvaluate : Evaluate {
  void expect_refused(const Arguments& more, const std::vector<std::string>& parts) const {
    expect_failure(equipoise(arguments(more)), kUsage, parts);
  }
  void write_images(const at::Tensor& images) const { io::write_npz(samples, {{"arr_0", images}}); }
};

TEST_F(BadEvaluate, OneImage) {
  write_images(at::zeros({1, 8, 8, 1}, at::kByte));
  expect_failure(equipoise(arguments({})), kData, {samples, "one image", "2 at least"});
}

TEST_F(BadEvaluate, ImagesThatAreAllEqualAreMeasuredWithAWarning) {
  write_images(at::full({30, 8, 8, 1}, 7, at::kByte));
  const Outcome outcome = equipoise(arguments({"--json", json}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("all 30 images of " + samples + " are equal"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("nan")));
  EXPECT_GT(io::read_json(json).at("frechet").at("value").get<double>(), 1);
}

TEST_F(BadEvaluate, OtherNumbersOfChannels) {
  write_images(at::zeros({5, 8, 8, 3}, at::kByte));
  expect_failure(equipoise(arguments({})), kData, {samples, "[3, 8, 8]", "[1, 8, 8]"});
}

TEST_F(BadEvaluate, ADamagedArchive) {
  fs::resize_file(samples, fs::file_size(samples) - 40);
  expect_failure(equipoise(arguments({})), kData, {samples});
  const std::string stats = scratch / "stats.npz";
  io::write_file_atomically(stats, "PK and then nothing");
  expect_failure(equipoise({"evaluate", "--samples", samples, "--reference", stats}), kData,
                 {stats});
}

TEST_F(BadEvaluate, AClassifierThatNeverSawAGroup) {
  write_small_classifier(classifier, 3, {"ant", "bee", "dog"});
  expect_failure(equipoise({"evaluate", "--samples", samples, "--reference",
                            reference + "?classes=ant,bee,cat", "--classifier", classifier}),
                 kData, {reference, "never saw", "cat", "ant, bee, dog"});
}

TEST_F(BadEvaluate, GroupColumnsWithMissingValues) {
  const std::string archive = scratch / "reference.zip";
  ASSERT_EQ(equipoise({"data", "convert", reference, archive}).code, 0);
  std::string table = "name,hair\n";
  for (int i = 0; i < 90; ++i)
    table += fmt::format("00000/img{:08}.png,{}\n", i, i < 88 ? "fair" : "");
  io::write_file_atomically(scratch / "reference.csv", table);
  expect_failure(
      equipoise({"evaluate", "--samples", archive, "--reference", archive, "--group", "hair"}),
      kData, {archive, "'hair'", "2 of 90", "img00000088.png", "unknown"});
  EXPECT_THAT(equipoise({"data", "check", archive}).out,
              HasSubstr("2 images have no value of 'hair'"));
}

TEST_F(BadEvaluate, NamesThatDoNotExist) {
  expect_refused({"--metrics", "frechet,kidd"}, {"Did you mean 'kid'?"});
  expect_refused({"--features", "mobilenet_v3", "--weights", weights},
                 {"Did you mean 'mobilenet_v2'?"});
  expect_refused({"--features", "mobilenet_v2:resise=bilinear", "--weights", weights},
                 {"Did you mean 'resize'?"});
  expect_refused({"--group", "clas"}, {"Did you mean 'class'?"});
  expect_refused({"--option", "frechet.bootstrp=20"}, {"bootstrp"});
  expect_refused({"--option", "bootstrap=20"}, {"METRIC.OPTION=VALUE"});
}

TEST_F(BadEvaluate, PartsThatContradictEachOther) {
  expect_refused({"--features", "mobilenet_v2"}, {"--weights"});
  expect_refused({"--weights", weights}, {"--features"});
  expect_refused({"--features", "classifier"}, {"--classifier"});
  expect_refused({"--target", "even"}, {"--group"});
  expect_refused({"--metrics", "total_variation"}, {"total_variation", "counts"});
  expect_failure(equipoise({"evaluate", "--reference", reference}), kUsage, {"--samples"});
}

TEST_F(BadEvaluate, TargetsThatAreNone) {
  expect_refused({"--group", "class", "--target", "0=0.5,1=0.5"}, {"none of 2"});
  expect_refused({"--group", "class", "--target", "0=0.5,1=0.5,2=0.5"}, {"1.5", "sum to 1"});
  expect_refused({"--group", "class", "--target", "0=0.5,1=0.5,3=0"}, {"unknown group '3'"});
  expect_refused({"--group", "class", "--target", "0=a,1=0.5,2=0.5"}, {"\"a\" of 0"});
  expect_refused({"--group", "class", "--target", "evn"}, {"'evn'"});
}

}  // namespace
}  // namespace equipoise::e2e
