// A model told of words, from images and word vectors to its audit.
#include <filesystem>
#include <string>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "io/files.h"
#include "io/json_lines.h"
#include "io/npy.h"
#include "io/scratch_folder.h"
#include "program.h"
#include "small_model.h"
#include "striped_images.h"

namespace equipoise::e2e {
namespace {

using testing::HasSubstr;

struct Audit : testing::Test {
  io::ScratchFolder scratch;
  const std::string images = scratch / "stripes", run = scratch / "run", out = scratch / "out.json",
                    words = scratch / "words.txt", model = run + "/models/dsm_bias.safetensors";

  void SetUp() override {
    write_striped_idx(images, 600);
    io::write_file_atomically(words,
                              "lying 1 0 0 0.1\nstanding 0 1 0 0.1\nslanting 0 0 1 0.1\n"
                              "stripe 1 1 1 0\nline 1 0.2 0.3 1\ncurve 0 0 1 1\n");
  }
  Outcome train(const std::vector<std::string>& assignments) const {
    Arguments arguments{"run",   EQUIPOISE_SOURCE_DIR "/tests/e2e/words.toml",
                        "--out", run,
                        "--set", "data.path=" + images,
                        "--set", "words.file=" + words};
    for (const std::string& assignment : assignments) {
      arguments.push_back("--set");
      arguments.push_back(assignment);
    }
    return equipoise(arguments);
  }
  Outcome audit(const std::vector<std::string>& more) const {
    Arguments arguments{"audit",   "--model", model,          "--images", images,   "--num", "40",
                        "--steps", "50,300",  "--elbo-draws", "3",        "--json", out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return equipoise(arguments);
  }
  nlohmann::json found() const { return io::parse_json(io::read_file(out), out); }
};

TEST_F(Audit, AsksATrainedModelEverythingThatThereIsToAsk) {
  const Outcome trained = train({"audit.methods=[\"elbo\",\"embedding_bias\"]", "audit.num=30",
                                 "audit.elbo_draws=3", "words.sample=stripe,lying"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const nlohmann::json results = io::read_json(run + "/results.json").at("methods")[0];
  const nlohmann::json& asked = results.at("audit");
  EXPECT_EQ(asked.at("num_images"), 30);
  EXPECT_FALSE(asked.at("methods").at("elbo").at("numbers").empty());
  // Of the 60 samples of the run, every other is of a word; "lying" is a class prompt.
  const nlohmann::json& judged = asked.at("methods").at("embedding_bias").at("words");
  ASSERT_EQ(judged.size(), 1u);
  EXPECT_EQ(judged[0].at("word"), "stripe");
  EXPECT_EQ(judged[0].at("judged_on"), "images made for the word");
  EXPECT_EQ(judged[0].at("num_images"), 30);
  const nlohmann::json& by_word = results.at("by_word");
  ASSERT_EQ(by_word.size(), 2u);
  EXPECT_EQ(by_word[1].at("word"), "stripe");
  EXPECT_EQ(by_word[1].at("num_samples"), 30);
  EXPECT_EQ(by_word[1].at("shares").size(), 3u);
  EXPECT_THAT(io::read_file(run + "/report.html"),
              HasSubstr("Groups among the images made for each word"));
  EXPECT_THAT(io::read_file(run + "/report.html"), HasSubstr("<section id=\"audit\""));
  const Outcome all = audit({});
  ASSERT_EQ(all.code, 0) << all.err;
  const nlohmann::json json = found();
  EXPECT_EQ(json.at("methods").size(), 8u);
  EXPECT_TRUE(json.at("not_run").empty());
  EXPECT_EQ(json.at("neutral"), "stripe");
  EXPECT_EQ(json.at("prompts")[1], nlohmann::json({{"value", "1"}, {"prompt", "standing"}}));
  for (const auto& [name, method] : json.at("methods").items()) {
    EXPECT_FALSE(method.at("numbers").empty()) << name;
    for (const auto& number : method.at("numbers")) {
      EXPECT_LE(number.at("low").get<double>(), number.at("high").get<double>());
      EXPECT_FALSE(number.at("recipe").get<std::string>().empty());
      EXPECT_FALSE(number.at("not_said").get<std::string>().empty());
    }
  }
  EXPECT_EQ(json.at("methods").at("embedding_bias").at("words").size(), 2u);

  // Words it was never shown, and the same numbers again.
  ASSERT_EQ(audit({"--methods", "elbo,lipschitz", "--neutral", "curve", "--word-file", words}).code,
            0);
  EXPECT_EQ(found().at("neutral"), "curve");
  EXPECT_EQ(found().at("methods").at("elbo"), json.at("methods").at("elbo"));

  // A word's own samples, as they are drawn for it.
  const std::string samples = scratch / "line.npz";
  ASSERT_EQ(equipoise({"sample", "--model", model, "--class", "line", "--num", "8", "--steps", "4",
                       "--out", samples})
                .code,
            0);
  const Outcome generated =
      audit({"--methods", "embedding_bias", "--generated", "line=" + samples});
  ASSERT_EQ(generated.code, 0) << generated.err;
  EXPECT_EQ(found().at("methods").at("embedding_bias").at("words")[1].at("num_images"), 8);

  expect_failure(audit({"--generated", "lines=" + samples}), kUsage, {"lines", "line"});
  expect_failure(audit({"--neutral", "lying"}), kUsage, {"--neutral", "lying, lying"});
  expect_failure(audit({"--neutral", "curve"}), kUsage, {"curve", "line"});
  expect_failure(audit({"--methods", "elbow"}), kUsage, {"elbow", "elbo"});
  expect_failure(audit({"--prompts", "lying,lying,slanting"}), kUsage, {"tell", "lying"});
  expect_failure(audit({"--prompts", "lying,standing"}), kUsage, {"2"});
  expect_failure(audit({"--steps", "300,50"}), kUsage, {"300", "rising"});
}

TEST_F(Audit, AttributesMayBeToldInThePlaceOfWords) {
  Arguments arguments{"run", EQUIPOISE_SOURCE_DIR "/tests/e2e/tiny.toml", "--out", run};
  for (const std::string& setting :
       {"data.path=" + images, std::string(R"(objectives=["dsm_bias"])"),
        std::string("words.attributes=true"), std::string(R"(words.sample="2")")}) {
    arguments.push_back("--set");
    arguments.push_back(setting);
  }
  const Outcome trained = equipoise(arguments);
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(io::read_json(run + "/results.json").at("methods")[0].at("by_word")[0].at("word"), "2");
  const std::string samples = scratch / "any.npz";
  ASSERT_EQ(equipoise({"sample", "--model", model, "--class", "random", "--num", "30", "--steps",
                       "4", "--out", samples})
                .code,
            0);
  const at::Tensor labels = io::read_npz(samples).at("arr_1");
  for (int64_t group = 0; group < 3; ++group)
    EXPECT_TRUE(labels.eq(group).any().item<bool>()) << group;
  expect_failure(equipoise({"sample", "--model", model, "--class", "4", "--num", "1", "--out",
                            scratch / "none.npz"}),
                 kUsage, {"'4'"});
}

TEST_F(Audit, WordsThatDoNotFitAreRefusedBeforeTraining) {
  const auto refuses = [&](const char* assignment, const std::vector<std::string>& parts) {
    std::filesystem::remove_all(run);
    expect_failure(train({assignment}), kUsage, parts);
  };
  refuses("words.of.2=[\"slantin\"]", {"slantin", "slanting"});
  refuses("model.conditional=true", {"conditional"});
  refuses("audit.methods=[\"elbow\"]", {"elbow", "elbo"});
  refuses("audit.methods=[\"embedding_bias\"]", {"embedding_bias", "words.sample"});
  refuses("audit.elbo_draws=1", {"audit.elbo_draws", "2"});
  refuses("words.debias=[\"lying\"]", {"two words"});
  refuses("words.sample=lyin,stripe", {"lyin", "lying"});
  refuses("words.orthogonal=true", {"exclude each other"});
}

TEST_F(Audit, UnconditionalModelsHaveNothingToBeAsked) {
  const std::string plain = scratch / "plain.safetensors";
  write_small_model(plain);
  expect_failure(equipoise({"audit", "--model", plain, "--images", images}), kUsage,
                 {"unconditional"});
}

}  // namespace
}  // namespace equipoise::e2e
