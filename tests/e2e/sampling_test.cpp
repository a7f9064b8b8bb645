// Guidance, rejection and minority bins from the command line: what is written, what is the same
// twice, and what is refused.
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "io/json_lines.h"
#include "io/npy.h"
#include "io/scratch_folder.h"
#include "program.h"
#include "small_model.h"
#include "striped_images.h"

namespace equipoise::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct Sampling : testing::Test {
  io::ScratchFolder scratch;
  const std::string model = scratch / "m.safetensors", out = scratch / "samples.npz",
                    recipe = scratch / "samples.json", images = scratch / "stripes",
                    discriminator = scratch / "m.discriminator.safetensors";

  void SetUp() override { write_small_model(model); }

  Arguments sample(const Arguments& more) const {
    Arguments all{"sample", "--model", model, "--num", "5", "--steps", "4", "--out", out};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  at::Tensor samples_of(const Arguments& more) const {
    const Outcome outcome = equipoise(sample(more));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return io::read_npz(out).at("arr_0");
  }
};

TEST_F(Sampling, EverySolverDrawsImages) {
  for (const char* name :
       {"heun", "euler", "dpmpp_2m", "euler_ancestral", "ddim", "ddpm", "edm_family"}) {
    const Outcome outcome = equipoise({"sample", "--model", model, "--num", "2", "--sampler",
                                       std::string(name) + ":steps=3", "--out", out});
    EXPECT_EQ(outcome.code, 0) << name << ": " << outcome.err;
    EXPECT_EQ(io::read_json(recipe).at("sampler").at("type"), name);
  }
}

TEST_F(Sampling, AGuideIsTrainedAndGuides) {
  write_striped_idx(images, 60);
  const Outcome guided =
      equipoise({"guide", "--model", model, "--real", images, "--sampler", "heun:steps=4", "--set",
                 "generated=40", "--set", "train.images=640", "--set", "train.tick_images=160",
                 "--set", "network.channels=[8]"});
  ASSERT_EQ(guided.code, 0) << guided.err;
  EXPECT_THAT(guided.out, HasSubstr("cross-entropy"));
  EXPECT_TRUE(fs::exists(discriminator));
  EXPECT_EQ(io::read_npz(scratch / "m.generated.npz").at("arr_0").size(0), 40);
  const at::Tensor plain = samples_of({});
  EXPECT_FALSE(at::equal(samples_of({"--guidance", "discriminator:weight=40"}), plain));
  EXPECT_TRUE(at::equal(samples_of({"--guidance", "discriminator:weight=0"}), plain));
  const nlohmann::json calls = [&] {
    samples_of({"--guidance", "discriminator:weight=1,second=0,time_min=0"});
    return io::read_json(recipe).at("network_calls");
  }();
  // Four steps of five images: 7 evaluations each, of which the first of every step is guided.
  EXPECT_EQ(calls, nlohmann::json({{"denoiser", 35}, {"guidance", 20}, {"rejection", 0}}));
}

TEST_F(Sampling, AGuideRefusesSamplesOfAnotherSolver) {
  write_striped_idx(images, 60);
  samples_of({});
  const auto guide = [&](const char* solver) {
    return equipoise({"guide", "--model", model, "--real", images, "--sampler", solver,
                      "--generated", out, "--set", "train.images=160", "--set",
                      "network.channels=[8]"});
  };
  expect_failure(guide("heun:steps=6"), kUsage, {"samples.npz", "sampler", "6"});
  const Outcome same = guide("heun:steps=4");
  EXPECT_EQ(same.code, 0) << same.err;
}

TEST_F(Sampling, RejectionLeavesARecipeThatDecidesTheSameAgain) {
  write_small_discriminator(discriminator);
  const at::Tensor first = samples_of({"--rejection", "warmup_images=20,percentile=0.5"});
  const nlohmann::json made = io::read_json(recipe);
  EXPECT_EQ(made.at("rejection").at("tables").at("transition").size(), 5u);
  EXPECT_GE(made.at("calls").at("mean").get<double>(), 7);
  const std::string tables = scratch / "tables.json";
  fs::copy_file(recipe, tables);
  const std::string again = "percentile=0.5,tables=" + tables;
  EXPECT_TRUE(at::equal(samples_of({"--rejection", again, "--batch", "1"}), first));
  expect_failure(equipoise(sample({"--churn", "1", "--rejection", again})), kUsage,
                 {"tables.json", "sampler"});
  std::ofstream(tables) << "{}";
  expect_failure(equipoise(sample({"--rejection", again})), kData, {"tables.json"});
}

TEST_F(Sampling, MinorityBinsAreScoredTrainedAndSteeredTo) {
  write_striped_idx(images, 60);
  const std::string scores = scratch / "scores.npz", bins = scratch / "bins.npz";
  const auto succeeds = [](const Arguments& arguments) {
    const Outcome outcome = equipoise(arguments);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  };
  succeeds(
      {"minority", "score", "--model", model, "--images", images, "--draws", "1", "--out", scores});
  succeeds({"minority", "label", "--scores", scores, "--bins", "3", "--out", bins});
  EXPECT_EQ(io::read_json(scratch / "bins.json").at("sizes"), nlohmann::json({20, 20, 20}));
  const at::Tensor by_pixels = io::read_npz(scores).at("scores");
  write_small_classifier(scratch / "c.safetensors", 3);
  const std::string by_features = scratch / "features.npz";
  succeeds({"minority", "score", "--model", model, "--images", images, "--draws", "1",
            "--classifier", scratch / "c.safetensors", "--out", by_features});
  EXPECT_THAT(io::read_json(scratch / "features.json").at("distance").at("name").get<std::string>(),
              HasSubstr("features"));
  EXPECT_FALSE(at::allclose(io::read_npz(by_features).at("scores"), by_pixels));
  succeeds({"minority", "train", "--images", images, "--bins", bins, "--out",
            scratch / "m.minority.safetensors", "--set", "train.images=320", "--set",
            "train.tick_images=160", "--set", "network.channels=[8]"});
  EXPECT_FALSE(at::equal(samples_of({"--guidance", "minority:target=2,scale=30"}), samples_of({})));
  expect_failure(equipoise(sample({"--guidance", "minority:target=3"})), kUsage, {"target", "3"});
  write_striped_idx(images, 90);
  expect_failure(equipoise({"minority", "train", "--images", images, "--bins", bins, "--out", out}),
                 kData, {"bins", "other images"});
}

using BadSampling = Sampling;

TEST_F(BadSampling, GuidanceWithoutItsNetwork) {
  expect_failure(equipoise(sample({"--guidance", "discriminator"})), kUsage,
                 {"m.discriminator.safetensors", "equipoise guide"});
}

TEST_F(BadSampling, ADiscriminatorOfAnotherSize) {
  write_small_discriminator(discriminator, 16);
  for (const Arguments& way : {Arguments{"--guidance", "discriminator"}, Arguments{"--rejection"}})
    expect_failure(equipoise(sample(way)), kUsage, {"16x16", "8x8"});
}

TEST_F(BadSampling, AModelInPlaceOfADiscriminator) {
  fs::copy_file(model, discriminator);
  expect_failure(equipoise(sample({"--rejection"})), kData, {"equipoise.discriminator"});
}

TEST_F(BadSampling, ClassesOnAModelWithoutThem) {
  expect_failure(equipoise(sample({"--guidance", "classifier_free:scale=2"})), kUsage,
                 {"unconditional"});
}

TEST_F(BadSampling, UnknownTermsAndOptions) {
  expect_failure(equipoise(sample({"--guidance", "discriminater"})), kUsage, {"discriminator"});
  expect_failure(equipoise(sample({"--guidance", "discriminator:wieght=2"})), kUsage,
                 {"wieght", "weight"});
  expect_failure(equipoise(sample({"--guidance", "discriminator:weight"})), kUsage, {"key=value"});
  expect_failure(equipoise(sample({"--rejection", "percentil=1"})), kUsage, {"percentile"});
}

TEST_F(BadSampling, ChurnOfASolverWithout) {
  write_small_discriminator(discriminator);
  expect_failure(equipoise({"sample", "--model", model, "--num", "2", "--out", out, "--sampler",
                            "ddim:steps=3", "--guidance", "discriminator:boost=true"}),
                 kUsage, {"boost", "ddim", "heun"});
}

TEST_F(BadSampling, LpipsWithoutItsHeads) {
  expect_failure(equipoise({"minority", "score", "--model", model, "--images", images, "--out", out,
                            "--lpips-weights", model}),
                 kUsage, {"--lpips-heads"});
}

TEST_F(BadSampling, ABudgetTooSmallToFinish) {
  write_small_discriminator(discriminator);
  expect_failure(equipoise(sample({"--rejection", "max_calls=3,warmup_images=4"})), kUsage,
                 {"max_calls", "7"});
}

TEST_F(BadSampling, ATermThatIsNotFinite) {
  write_small_discriminator(discriminator);
  expect_failure(equipoise(sample({"--guidance", "discriminator:weight=1e3,schedule=1:1e308"})), 4,
                 {"discriminator", "sigma", "seed"});
}

}  // namespace
}  // namespace equipoise::e2e
