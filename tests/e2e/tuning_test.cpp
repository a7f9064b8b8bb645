// Methods that start from another, train on some groups, under constraints or with mixout.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/files.h"
#include "io/json_lines.h"
#include "io/scratch_folder.h"
#include "program.h"
#include "striped_images.h"

namespace equipoise::e2e {
namespace {

namespace fs = std::filesystem;

struct Tuning : testing::Test {
  io::ScratchFolder scratch;

  void SetUp() override { write_striped_idx(scratch / "stripes", 600); }

  /// A model of two directions; then the third taught it under two constraints, and with mixout; and
  /// plain training with a constraint on the rare direction.
  Arguments arguments(const std::string& run, const Arguments& more = {}) const {
    Arguments result{"run", EQUIPOISE_SOURCE_DIR "/tests/e2e/tiny.toml", "--out", scratch / run};
    for (const std::string& setting :
         {"data.path=" + (scratch / "stripes").string(),
          std::string(R"(objectives=["before", "held", "mixed", "constrained"])"),
          std::string(R"(objective.before={method = "dsm_bias", groups = ["0", "1"]})"),
          std::string(R"(objective.held={method = "constrained", start = "before", groups = ["2"],)"
                      R"( constraints = ["old", "two"], learning_rate = 3e-4})"),
          std::string(R"(objective.mixed={method = "dsm_bias", start = "before", groups = ["2"],)"
                      R"( images = 640, mixout = 0.5})"),
          std::string(R"(objective.constrained={constraints = ["two"]})"),
          std::string("constraints.dual_step=0.5"), std::string("constraints.relaxation=0.1"),
          std::string(R"(constraints.old={kind = "pretrained", threshold = 0.001})"),
          std::string(R"(constraints.two={kind = "group", group = "2"})"),
          std::string("train.direction_statistics=true"),
          std::string("train.direction_minibatches=3"), std::string("train.direction_groups=true"),
          std::string("train.direction_levels=true")}) {
      result.push_back("--set");
      result.push_back(setting);
    }
    result.insert(result.end(), more.begin(), more.end());
    return result;
  }
  nlohmann::json results(const std::string& run) const {
    return io::read_json(scratch / run / "results.json");
  }
};

/// The method's entry of results.json.
nlohmann::json method_of(const nlohmann::json& results, const std::string& name) {
  for (const auto& method : results.at("methods"))
    if (method.at("name") == name) return method;
  return nullptr;
}

TEST_F(Tuning, LeavesMultipliersLossesAndDirectionsBehind) {
  const Outcome outcome = equipoise(arguments("run"));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const nlohmann::json results = this->results("run");

  const nlohmann::json held = method_of(results, "held"), mixed = method_of(results, "mixed");
  ASSERT_EQ(held.at("constraints").at("entries").size(), 2u);
  for (const auto& entry : held["constraints"]["entries"]) {
    EXPECT_GT(entry.at("loss").get<double>(), 0);
    EXPECT_GE(entry.at("multiplier").get<double>(), 0);
    EXPECT_TRUE(entry.contains("heldout_loss"));
  }
  EXPECT_EQ(held["constraints"]["dual_steps"], 20);  // 1280 images, 32 a step, 2 steps a dual step
  EXPECT_FALSE(held["constraints"].contains("mixture_shares")) << "a model has no groups";
  EXPECT_EQ(held.at("start").at("file"), "before");
  EXPECT_GT(held["start"].at("distance").get<double>(), 0);
  EXPECT_GT(mixed.at("start").at("distance").get<double>(), 0);
  EXPECT_EQ(mixed.at("training").at("images"), 640);
  EXPECT_FALSE(mixed.contains("constraints"));

  const nlohmann::json plain = method_of(results, "constrained")["constraints"];
  const double multiplier = plain.at("entries")[0].at("multiplier");
  EXPECT_GT(multiplier, 0);
  EXPECT_GT(plain["entries"][0]["loss"], plain["entries"][0].at("floor").at("value"));
  const auto shares = plain.at("mixture_shares").get<std::vector<double>>();
  EXPECT_NEAR(shares[0] + shares[1] + shares[2], 1, 1e-9);
  const nlohmann::json biased = results["data"]["sets"][0]["counts"];
  const double share =
      biased[2].get<double>() /
      (biased[0].get<double>() + biased[1].get<double>() + biased[2].get<double>());
  EXPECT_NEAR(shares[2], (share + multiplier) / (1 + multiplier), 1e-9);

  std::set<std::string> with_constraints, with_directions;
  std::ifstream stats(scratch / "run/stats.jsonl");
  for (std::string text; std::getline(stats, text);) {
    const nlohmann::json line = nlohmann::json::parse(text);
    if (line.contains("constraints")) with_constraints.insert(line["stage"]);
    if (line.contains("directions")) {
      with_directions.insert(line["stage"]);
      const nlohmann::json& subjects = line["directions"]["subjects"];
      EXPECT_EQ(subjects["all"]["n"], 3);
      const auto num_levels =
          std::count_if(subjects.items().begin(), subjects.items().end(),
                        [](const auto& subject) { return subject.key().starts_with("σ = "); });
      EXPECT_EQ(num_levels, 5) << text;
    }
  }
  EXPECT_THAT(with_constraints, testing::ElementsAre("constrained", "held"));
  EXPECT_THAT(with_directions, testing::ElementsAre("before", "constrained", "held", "mixed"));
}

TEST_F(Tuning, AStoppedRunGoesOnBitForBit) {
  const Outcome whole = equipoise(arguments("whole"));
  ASSERT_EQ(whole.code, 0) << whole.err;
  const fs::path stats = scratch / "stopped/stats.jsonl";
  {
    Program program(arguments("stopped"));
    const auto has_begun = [&] {
      return fs::exists(stats) &&
             io::read_file(stats).find(R"("stage":"held")") != std::string::npos;
    };
    for (int wait = 0; wait < 1200 && !has_begun(); ++wait)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    program.send(SIGTERM);
    EXPECT_EQ(program.wait().code, 130);
  }
  const Outcome last = equipoise(arguments("stopped", {"--resume"}));
  ASSERT_EQ(last.code, 0) << last.err;
  EXPECT_TRUE(io::read_file(scratch / "whole/stats.jsonl") == io::read_file(stats));
  for (const std::string name : {"before", "held", "mixed", "constrained"})
    EXPECT_TRUE(io::read_file(scratch / "whole/models" / (name + ".safetensors")) ==
                io::read_file(scratch / "stopped/models" / (name + ".safetensors")))
        << name;
}

TEST_F(Tuning, ThresholdBelowTheFloorEndsWithTheFloor) {
  expect_failure(
      equipoise(arguments(
          "run", {"--set", "constraints.relaxation=0", "--set", "constraints.two.threshold=0.0001",
                  "--set", R"(objectives=["constrained"])", "--set", "train.images=64"})),
      2, {"constraints.two.threshold", "0.0001", "the floor"});
}

TEST_F(Tuning, WhatDoesNotFitIsSaidBeforeAnythingIsTrained) {
  const auto refuses = [&](const std::string& setting, const std::vector<std::string>& parts) {
    const Outcome outcome = equipoise(arguments("run", {"--set", setting}));
    EXPECT_EQ(outcome.code, 2) << setting;
    for (const std::string& part : parts) EXPECT_THAT(outcome.err, testing::HasSubstr(part));
    EXPECT_FALSE(fs::exists(scratch / "run/models"));
  };
  refuses(R"(objective.held.constraints=["odl"])", {"objective.held", "old"});
  refuses(R"(constraints.two.kind="gruop")", {"constraints.two", "group"});
  refuses(R"(objective.held.start="after")", {"objective.held", "'after'"});
  refuses("train.weight_decay=0.1", {"objective.mixed", "pull"});
  refuses("constraints.dual_step=20", {"relaxation"});
}

}  // namespace
}  // namespace equipoise::e2e
