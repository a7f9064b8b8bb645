// From IDX files to a report, and what can be done with the folder afterwards.
#include <filesystem>
#include <regex>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/files.h"
#include "io/json_lines.h"
#include "io/npy.h"
#include "io/scratch_folder.h"
#include "program.h"
#include "striped_images.h"

namespace equipoise::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::vector<std::string> kMethods{"dsm_ref", "dsm_obs", "iw_dsm", "tiw_dsm"};

struct WholeJob : testing::Test {
  io::ScratchFolder scratch;
  const std::string images = scratch / "stripes", run = scratch / "run";

  void SetUp() override { write_striped_idx(images, 600); }

  Arguments run_arguments() const {
    return {"run",   EQUIPOISE_SOURCE_DIR "/tests/e2e/tiny.toml",
            "--set", "data.path=" + images,
            "--out", run};
  }
  std::string in_run(const std::string& name) const { return run + "/" + name; }

  void leaves_every_promised_file() const {
    for (const char* name : {"config.toml", "split.json", "stats.jsonl", "results.json",
                             "report.html", "report.md", "data-sheet.md"})
      EXPECT_TRUE(fs::exists(in_run(name))) << name;
    EXPECT_FALSE(fs::is_empty(in_run("events")));
    for (const std::string& method : kMethods) {
      EXPECT_TRUE(fs::exists(in_run("models/" + method + ".safetensors"))) << method;
      EXPECT_TRUE(fs::exists(in_run("models/" + method + ".md"))) << method;
      const auto samples = io::read_npz(in_run("samples/" + method + ".npz"));
      EXPECT_EQ(samples.at("arr_0").sizes(), at::IntArrayRef({60, 8, 8, 1}));
      EXPECT_EQ(samples.at("arr_0").scalar_type(), at::kByte);
    }
  }
  void results_name_every_method() const {
    const nlohmann::json results = io::read_json(in_run("results.json"));
    EXPECT_EQ(results.at("format"), "equipoise-results/1");
    std::vector<std::string> names;
    for (const auto& method : results.at("methods")) {
      names.push_back(method.at("name"));
      EXPECT_EQ(method.at("shares").size(), 3u);
      EXPECT_TRUE(method.contains("total_variation") && method.contains("frechet"))
          << method.at("name");
    }
    EXPECT_EQ(names, kMethods);
    EXPECT_GT(results.at("classifier").at("accuracy").get<double>(), 0.9);  // stripes are easy
  }
  void a_finished_folder_is_left_alone_without_resume() const {
    const std::string before = io::read_file(in_run("results.json"));
    expect_failure(equipoise(run_arguments()), 2, {run, "already holds a run", "--resume"});
    EXPECT_EQ(io::read_file(in_run("results.json")), before);
  }
  void its_config_is_a_valid_input() const {
    const Outcome outcome = equipoise({"run", in_run("config.toml"), "--dry-run"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, io::read_file(in_run("config.toml")));
  }
  void its_model_draws_the_same_samples_again() const {
    const std::string out = scratch / "again.npz";
    const Outcome outcome =
        equipoise({"sample", "--model", in_run("models/tiw_dsm.safetensors"), "--seeds", "0-59",
                   "--steps", "6", "--batch", "7", "--threads", "1", "--out", out});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(io::read_file(out), io::read_file(in_run("samples/tiw_dsm.npz")));
  }
  void its_samples_can_be_evaluated() const {
    const std::string json = scratch / "evaluation.json";
    const Outcome outcome =
        equipoise({"evaluate", "--samples", in_run("samples/dsm_obs.npz"), "--reference", images,
                   "--classifier", in_run("models/classifier.safetensors"), "--json", json});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("share"));
    EXPECT_EQ(io::read_json(json).at("shares").size(), 3u);
  }
  void the_report_can_be_written_again() const {
    const std::string out = scratch / "again.html";
    const Outcome outcome = equipoise({"report", run, "--out", out});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(io::read_file(out), io::read_file(in_run("report.html")));
  }
};

TEST_F(WholeJob, RunsFromImagesToReport) {
  const Outcome outcome = equipoise(run_arguments());
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr(in_run("report.html")));
  leaves_every_promised_file();
  results_name_every_method();
  a_finished_folder_is_left_alone_without_resume();
  its_config_is_a_valid_input();
  its_model_draws_the_same_samples_again();
  its_samples_can_be_evaluated();
  the_report_can_be_written_again();
}

TEST_F(WholeJob, TrainMakesOneModelWithTheRatioItNeeds) {
  const Arguments train{"train", EQUIPOISE_SOURCE_DIR "/tests/e2e/tiny.toml",
                        "--set", "data.path=" + images,
                        "--set", "objectives=[\"tiw_dsm\"]",
                        "--out", run};
  const Outcome outcome = equipoise(train);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(fs::exists(in_run("models/tiw_dsm.safetensors")));
  EXPECT_TRUE(fs::exists(in_run("models/ratio_time_dependent.safetensors")));
  EXPECT_FALSE(fs::exists(in_run("report.html")));
}

TEST_F(WholeJob, SettingsOfTheRatioReachTheDiscriminator) {
  const auto discriminator_with = [&](const Arguments& settings, const std::string& name) {
    const std::string out = scratch / name;
    Arguments train{"train", EQUIPOISE_SOURCE_DIR "/tests/e2e/tiny.toml",
                    "--set", "data.path=" + images,
                    "--set", "objectives=[\"tiw_dsm\"]",
                    "--set", "train.images=16",
                    "--set", "classifier.train.images=16",
                    "--out", out};
    train.insert(train.end(), settings.begin(), settings.end());
    const Outcome outcome = equipoise(train);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return io::read_file(out + "/models/ratio_time_dependent.safetensors");
  };
  const std::string published = discriminator_with({}, "published");
  EXPECT_EQ(published, discriminator_with({}, "again"));
  EXPECT_NE(published, discriminator_with({"--set", "ratio.augment.probability=1"}, "augmented"));
  EXPECT_NE(published, discriminator_with({"--set", "ratio.labels=soft"}, "soft"));
  EXPECT_TRUE(fs::exists(scratch / "soft/models/ratio_time_independent.safetensors"));
  const Arguments as_denoiser{"--set", "ratio.time_law=denoiser"};
  const std::string like_denoiser = discriminator_with(as_denoiser, "like_denoiser");
  EXPECT_NE(published, like_denoiser);
  Arguments at_low_noise = as_denoiser;
  at_low_noise.insert(at_low_noise.end(), {"--set", "train.noise.p_mean=-3"});
  EXPECT_NE(like_denoiser, discriminator_with(at_low_noise, "at_low_noise"));
}

TEST_F(WholeJob, ThePosteriorRatioNeedsNoNetworkOfItsOwn) {
  const Arguments arguments{"run",   EQUIPOISE_SOURCE_DIR "/tests/e2e/tiny.toml",
                            "--set", "data.path=" + images,
                            "--set", "objectives=[\"tiw_dsm\"]",
                            "--set", "ratio.kind=posterior",
                            "--out", run};
  ASSERT_EQ(equipoise(arguments).code, 0);
  EXPECT_TRUE(fs::exists(in_run("models/ratio_time_independent.safetensors")));
  EXPECT_FALSE(fs::exists(in_run("models/ratio_time_dependent.safetensors")));
  const nlohmann::json ratios = io::read_json(in_run("results.json")).at("ratios");
  ASSERT_EQ(ratios.size(), 2u);
  EXPECT_GT(ratios[1].at("posterior_images"), 100);
  EXPECT_GT(ratios[1].at("levels").size(), 1u);
  EXPECT_THAT(io::read_file(in_run("report.html")),
              HasSubstr("images that a noised one may have come from"));

  Arguments augmented = arguments;
  augmented.insert(augmented.end(), {"--set", "train.augment.probability=0.1"});
  expect_failure(equipoise(augmented), 2, {"ratio.kind", "train.augment"});
}

TEST_F(WholeJob, BelowTheLevelOfThePosteriorRatioANetworkServes) {
  ASSERT_EQ(equipoise({"train", EQUIPOISE_SOURCE_DIR "/tests/e2e/tiny.toml", "--set",
                       "data.path=" + images, "--set", "objectives=[\"tiw_dsm\"]", "--set",
                       "ratio.kind=posterior", "--set", "ratio.posterior_above=1", "--out", run})
                .code,
            0);
  EXPECT_TRUE(fs::exists(in_run("models/ratio_time_independent.safetensors")));
  EXPECT_TRUE(fs::exists(in_run("models/ratio_time_dependent.safetensors")));
}

TEST_F(WholeJob, PreviewsShowTrainingAndDoNotChangeIt) {
  const auto model_with = [&](const Arguments& settings, const std::string& name) {
    Arguments arguments{"run",   EQUIPOISE_SOURCE_DIR "/tests/e2e/tiny.toml",
                        "--set", "data.path=" + images,
                        "--set", "objectives=[\"dsm_obs\"]",
                        "--out", scratch / name};
    arguments.insert(arguments.end(), settings.begin(), settings.end());
    const Outcome outcome = equipoise(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return io::read_file(scratch / (name + "/models/dsm_obs.safetensors"));
  };
  const std::string plain = model_with({}, "plain");
  EXPECT_EQ(plain, model_with({"--set", "sample.preview=12"}, "previewed"));
  int num_previews = 0;
  for (const nlohmann::json& line :
       io::read_json_lines(scratch / "previewed/stats.jsonl", io::LastLine::kMustBeWhole)) {
    if (line.at("stage") != "dsm_obs") continue;
    ++num_previews;
    EXPECT_TRUE(fs::exists(scratch / ("previewed/" + line.at("preview_grid").get<std::string>())));
    EXPECT_EQ(line.at("preview_shares").size(), 3u);
    EXPECT_LE(line.at("preview_total_variation"), 2.0 / 3);
    EXPECT_TRUE(line.contains("preview_kernel_distance"));
  }
  EXPECT_EQ(num_previews, 4);
}

TEST_F(WholeJob, ThePlanTellsTheMemoryOfEveryNetworkAndWritesNothing) {
  const auto activations_with = [&](const std::string& assignment) {
    Arguments arguments = run_arguments();
    arguments.insert(arguments.end(), {"--plan", "--set", "train.batch_size=512", "--set",
                                       "train.micro_batch_size=64", "--set", assignment});
    const Outcome outcome = equipoise(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    for (const char* network : {"classifier CNN", "discriminator CNN", "denoiser SongUNet"})
      EXPECT_THAT(outcome.out, HasSubstr(network));
    // denoiser SongUNet  parameters  weights MiB  optimizer MiB  gradients MiB  activations MiB
    const std::regex row(
        "denoiser SongUNet +[0-9,]+ +[0-9.]+ MiB +[0-9.]+ MiB +[0-9.]+ MiB +([0-9.]+) MiB");
    std::smatch match;
    EXPECT_TRUE(std::regex_search(outcome.out, match, row)) << outcome.out;
    return match.empty() ? 0.0 : std::stod(match[1]);
  };
  const double small = activations_with("train.micro_batch_size=64");
  EXPECT_GT(small, 0.1);
  EXPECT_NEAR(activations_with("train.micro_batch_size=256") / small, 4, 0.5);
  EXPECT_LT(activations_with("model.network.recompute=true") / small, 0.7);
  EXPECT_FALSE(fs::exists(run));
}

TEST_F(WholeJob, TrainRefusesSeveralObjectives) {
  Arguments arguments = run_arguments();
  arguments[0] = "train";
  expect_failure(equipoise(arguments), 2, {"objectives", "4"});
}

}  // namespace
}  // namespace equipoise::e2e
