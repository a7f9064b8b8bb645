// Conditional models trained on labels of which some are wrong, from IDX files to results.
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/csv.h"
#include "io/files.h"
#include "io/json_lines.h"
#include "io/npy.h"
#include "io/scratch_folder.h"
#include "program.h"
#include "striped_images.h"

namespace equipoise::e2e {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

struct LabelNoise : testing::Test {
  io::ScratchFolder scratch;
  const std::string images = scratch / "stripes", run = scratch / "run";

  void SetUp() override { write_striped_idx(images, 1200); }

  Arguments arguments(const std::vector<std::string>& assignments, bool dry_run = false) const {
    Arguments result{"run",   EQUIPOISE_SOURCE_DIR "/tests/e2e/noisy_labels.toml",
                     "--out", run,
                     "--set", "data.path=" + images};
    for (const std::string& assignment : assignments) {
      result.push_back("--set");
      result.push_back(assignment);
    }
    if (dry_run) result.push_back("--dry-run");
    return result;
  }
  std::string in_run(const std::string& name) const { return run + "/" + name; }

  void labels_are_wrong_as_stated(const nlohmann::json& results) const {
    // 280 training images a class; a quarter of two classes, exactly.
    const auto noise = results.at("data").at("label_noise");
    EXPECT_NEAR(noise.at("share_wrong").get<double>(), 0.5 / 3, 1e-12);
    EXPECT_EQ(noise.at("counts"), nlohmann::json({{210, 70, 0}, {0, 210, 70}, {0, 0, 280}}));
  }
  void labels_were_judged(const nlohmann::json& results) const {
    const auto model = results.at("label_model");
    EXPECT_EQ(model.at("matrix_error"), 0);
    EXPECT_EQ(model.at("levels").size(), 10u);
    EXPECT_GT(model.at("levels")[0].at("accuracy").get<double>(), 0.9) << "stripes are easy";
    EXPECT_GT(model.at("levels")[0].at("wrong_label_auroc").get<double>(), 0.9);
    const io::CsvTable table = io::read_csv(in_run("models/transition.csv"));
    EXPECT_THAT(table.header, ElementsAre("0", "1", "2"));
    EXPECT_THAT(table.rows[1], ElementsAre("0", "0.75", "0.25"));
    const auto corrected = model.at("corrected_labels");
    EXPECT_LT(corrected.at("share_wrong").get<double>(), 0.05) << "of labels wrong in one of six";
    EXPECT_EQ(io::read_csv(in_run("models/corrected_labels.csv")).rows.size(), 840u);
  }
  void methods_were_measured_by_class(const nlohmann::json& results) const {
    ASSERT_EQ(results.at("methods").size(), 3u);
    for (const auto& method : results.at("methods")) {
      const auto conditional = method.at("conditional");
      EXPECT_EQ(conditional.at("by_class").size(), 3u) << method.at("name");
      EXPECT_GT(conditional.at("frechet").get<double>(), 0);
      EXPECT_GT(conditional.at("cas").at("accuracy").get<double>(), 0);
      EXPECT_EQ(io::read_npz(in_run("samples/" + method.at("name").get<std::string>() + ".npz"))
                    .at("arr_1")
                    .numel(),
                180);
    }
  }
  void samples_can_be_drawn_of_a_class() const {
    const std::string out = scratch / "ones.npz";
    const Outcome outcome =
        equipoise({"sample", "--model", in_run("models/tdsm.safetensors"), "--seeds", "0-5",
                   "--class", "1", "--steps", "4", "--out", out});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(io::read_npz(out).at("arr_1").eq(1).all().item<bool>());
  }
};

TEST_F(LabelNoise, RunsFromImagesToResults) {
  const Outcome outcome = equipoise(arguments({}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const nlohmann::json results = io::read_json(in_run("results.json"));
  labels_are_wrong_as_stated(results);
  labels_were_judged(results);
  methods_were_measured_by_class(results);
  samples_can_be_drawn_of_a_class();
  const Outcome again = equipoise({"run", in_run("config.toml"), "--dry-run"});
  EXPECT_EQ(again.out, io::read_file(in_run("config.toml"))) << again.err;
}

TEST_F(LabelNoise, TheMatrixMayComeFromElsewhere) {
  for (const std::string transition : {"learned", "anchors"}) {
    fs::remove_all(run);
    const Outcome outcome =
        equipoise(arguments({"objectives=[\"tdsm\"]", "label_model.transition=" + transition,
                             "label_model.anchors=3", "classifier.on_samples=false"}));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const auto model = io::read_json(in_run("results.json")).at("label_model");
    EXPECT_GT(model.at("matrix_error").get<double>(), 0) << transition;
    EXPECT_LT(model.at("matrix_error").get<double>(), 0.5) << transition;
  }
  const std::string matrix = scratch / "S.csv";
  fs::copy_file(in_run("models/transition.csv"), matrix);
  fs::remove_all(run);
  const Outcome outcome = equipoise(
      arguments({"objectives=[\"s_dsm\"]", "label_model.transition=file",
                 "label_model.transition_file=" + matrix, "classifier.on_samples=false"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(io::read_file(in_run("models/transition.csv")), io::read_file(matrix));
  EXPECT_FALSE(fs::exists(in_run("models/label_posterior.safetensors"))) << "nobody asked for it";
}

TEST_F(LabelNoise, CorrectedLabelsOfOneRunAreAnothersShownLabels) {
  const Arguments small{"objectives=[\"tdsm\"]", "classifier.on_samples=false"};
  ASSERT_EQ(equipoise(arguments(small)).code, 0);
  const double share_wrong = io::read_json(in_run("results.json"))
                                 .at("label_model")
                                 .at("corrected_labels")
                                 .at("share_wrong")
                                 .get<double>();
  const std::string labels = scratch / "corrected.csv";
  fs::copy_file(in_run("models/corrected_labels.csv"), labels);
  fs::remove_all(run);
  Arguments settings = small;
  settings.insert(settings.end(),
                  {"data.label_noise.kind=labels", "data.label_noise.labels_file=" + labels});
  const Outcome outcome = equipoise(arguments(settings));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(io::read_json(in_run("results.json")).at("data").at("label_noise").at("share_wrong"),
            share_wrong);
  settings.push_back("seed=1");
  fs::remove_all(run);
  expect_failure(equipoise(arguments(settings)), 3, {"corrected.csv", "training images"});
}

TEST_F(LabelNoise, WhatCannotWorkIsFoundBeforeAnythingIsTrained) {
  // A config tells all its problems at once.
  const auto refuses = [&](const std::string& setting, const std::string& part) {
    const Outcome outcome = equipoise(arguments({setting}, true));
    EXPECT_EQ(outcome.code, 2) << setting;
    EXPECT_THAT(outcome.err, testing::HasSubstr(part));
  };
  refuses("model.conditional=false", "corrects labels: it needs model.conditional = true");
  refuses("data.label_noise.kind=none", "needs to know how labels go wrong");
  refuses("data.label_noise.labels_file=x.csv", "go together");
  refuses("train.snapshot=best",
          "choose by true labels, which data.label_noise hides from training");
  refuses("model.network.label_dropout=0.1", "use train.label_dropout");
  expect_failure(equipoise(arguments({"data.label_noise.map=[\"0->9\"]"})), 2,
                 {"unknown class '9'"});
  fs::remove_all(run);
  expect_failure(
      equipoise(arguments({"data.label_noise.kind=matrix",
                           "data.label_noise.rows=[\"0.5 0.5 0\",\"0.5 0.5 0\",\"0 0 1\"]"})),
      2, {"the transition matrix cannot be undone"});
}

}  // namespace
}  // namespace equipoise::e2e
