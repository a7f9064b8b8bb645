// The forms and flags that scripts rely on.
#include <filesystem>
#include <map>
#include <string>

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

namespace fs = std::filesystem;
using testing::HasSubstr;

struct CommandLine : testing::Test {
  io::ScratchFolder scratch;
  const std::string model = scratch / "model.safetensors", out = scratch / "out.npz";

  at::Tensor sample(const Arguments& more) const {
    Arguments arguments{"sample", "--model", model, "--out", out, "--steps", "3"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = equipoise(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return io::read_npz(out).at("arr_0");
  }
};

TEST_F(CommandLine, EveryCommandExplainsItself) {
  for (const Arguments& command : std::vector<Arguments>{{},
                                                         {"demo"},
                                                         {"run"},
                                                         {"data"},
                                                         {"data", "check"},
                                                         {"data", "split"},
                                                         {"data", "convert"},
                                                         {"train"},
                                                         {"sample"},
                                                         {"evaluate"},
                                                         {"gate"},
                                                         {"report"},
                                                         {"import"},
                                                         {"import", "edm"},
                                                         {"list"},
                                                         {"doctor"}}) {
    Arguments arguments = command;
    arguments.push_back("--help");
    const Outcome outcome = equipoise(arguments);
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(outcome.out, HasSubstr("Usage: equipoise"));
    EXPECT_EQ(outcome.err, "");
  }
}

TEST_F(CommandLine, OffersTheNearestCommand) {
  expect_failure(equipoise({"smaple"}), 2, {"smaple", "Did you mean 'sample'?"});
}

TEST_F(CommandLine, OffersTheNearestCommandBelowACommand) {
  expect_failure(equipoise({"data", "chek", "x"}), 2, {"chek", "Did you mean 'check'?"});
}

TEST_F(CommandLine, OffersTheNearestFlag) {
  expect_failure(equipoise({"sample", "--modle", "m"}), 2, {"--modle", "Did you mean '--model'?"});
}

TEST_F(CommandLine, NamesAMissingFlag) {
  expect_failure(equipoise({"sample", "--num", "4", "--out", out}), 2, {"--model"});
}

TEST_F(CommandLine, RefusesANumberThatIsNone) {
  expect_failure(equipoise({"sample", "--model", "m", "--out", out, "--num", "four"}), 2,
                 {"--num", "four"});
}

TEST_F(CommandLine, WithoutACommandShowsHelpAndFails) {
  const Outcome outcome = equipoise({});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("demo"));
}

TEST_F(CommandLine, ErrorsCanBeJson) {
  const Outcome outcome = equipoise({"data", "check", "nothing-here", "--json-errors", "--jsonn"});
  EXPECT_EQ(outcome.code, 2);
  const auto error = nlohmann::json::parse(outcome.err);
  EXPECT_EQ(error.at("error"), "usage");
  EXPECT_EQ(error.at("exit_code"), 2);
  EXPECT_EQ(error.at("hint"), "Did you mean '--json'?");
}

TEST_F(CommandLine, ListsEveryFamily) {
  const std::vector<std::pair<std::string, std::string>> expected{{"objectives", "tiw_dsm"},
                                                                  {"samplers", "heun"},
                                                                  {"networks", "SongUNet"},
                                                                  {"metrics", "frechet"},
                                                                  {"datasets", "idx"},
                                                                  {"splits", "minority"},
                                                                  {"extractors", "face_descriptor"},
                                                                  {"constraints", "group"},
                                                                  {"presets", "fashion-demo"}};
  for (const auto& [family, member] : expected) {
    const Outcome text = equipoise({"list", family}), json = equipoise({"list", family, "--json"});
    EXPECT_EQ(text.code, 0);
    EXPECT_THAT(text.out, HasSubstr(member + (family == "networks" ? " (denoiser)\n" : "\n")));
    bool is_listed = false;
    for (const auto& entry : nlohmann::json::parse(json.out))
      is_listed |= entry.at("name") == member;
    EXPECT_TRUE(is_listed) << member;
  }
  expect_failure(equipoise({"list", "objective"}), 2, {"Did you mean 'objectives'?"});
}

TEST_F(CommandLine, EveryPresetIsAValidConfig) {
  for (const auto& preset : nlohmann::json::parse(equipoise({"list", "presets", "--json"}).out)) {
    const Outcome outcome = equipoise({"run", "--preset", preset.at("name"), "--dry-run"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("[data.split]"));
  }
}

TEST_F(CommandLine, OffersTheNearestPreset) {
  expect_failure(equipoise({"run", "--preset", "fashion-dmo"}), 2,
                 {"Did you mean 'fashion-demo'?"});
}

TEST_F(CommandLine, LaterLayersWin) {
  const std::string config = scratch / "mine.toml";
  io::write_file_atomically(config, "seed = 1\n[train]\nimages = 111\nbatch_size = 8\n");
  const Outcome outcome = equipoise(
      {"run", config, "--preset", "fashion-demo", "--set", "train.images=222", "--dry-run"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("\nimages = 222\n"));         // --set over the file
  EXPECT_THAT(outcome.out, HasSubstr("\nbatch_size = 8\n"));       // the file over the preset
  EXPECT_THAT(outcome.out, HasSubstr("protocol = \"minority\""));  // the preset over the defaults
  EXPECT_FALSE(fs::exists("runs/mine"));
}

TEST_F(CommandLine, ExplainsWhereEveryValueWasSet) {
  const std::string config = scratch / "mine.toml";
  io::write_file_atomically(config, "seed = 1\n");
  const Outcome outcome = equipoise(
      {"run", config, "--preset", "fashion-demo", "--set", "threads=1", "--explain-config"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("seed = 1   # " + config + ":1\n"));
  EXPECT_THAT(outcome.out, HasSubstr("threads = 1   # --set threads\n"));
  EXPECT_THAT(outcome.out,
              HasSubstr("data.split.protocol = \"minority\"   # preset fashion-demo:"));
  EXPECT_THAT(outcome.out, HasSubstr("device = \"cpu\"   # default\n"));
}

TEST_F(CommandLine, RunNeedsAConfigOrAPreset) {
  expect_failure(equipoise({"run"}), 2, {"--preset"});
}

TEST_F(CommandLine, SamplesByNumberAndBySeedAgree) {
  write_small_model(model);
  const at::Tensor four = sample({"--num", "4"});
  EXPECT_EQ(four.scalar_type(), at::kByte);
  EXPECT_EQ(four.sizes(), at::IntArrayRef({4, 8, 8, 1}));
  EXPECT_TRUE(at::equal(sample({"--seeds", "0-3", "--batch", "1"}), four));
  EXPECT_TRUE(at::equal(sample({"--seeds", "3,0-1"}), four.index_select(0, at::tensor({3, 0, 1}))));
  EXPECT_FALSE(at::equal(sample({"--num", "4", "--seed-base", "1"}), four));
  EXPECT_FALSE(at::equal(sample({"--num", "4", "--churn", "10"}), four));
}

TEST_F(CommandLine, FloatSamplesAreNeitherClippedNorRounded) {
  write_small_model(model);
  const at::Tensor floats = sample({"--num", "2", "--float"});
  EXPECT_EQ(floats.scalar_type(), at::kFloat);
  EXPECT_EQ(floats.sizes(), at::IntArrayRef({2, 1, 8, 8}));
}

TEST_F(CommandLine, LatentsReplaceTheSeedsNoise) {
  write_small_model(model);
  const std::string latents = scratch / "latents.npy";
  io::write_npy(latents, at::zeros({2, 1, 8, 8}));
  const at::Tensor images = sample({"--num", "2", "--latents", latents});
  EXPECT_TRUE(at::equal(images[0], images[1]));
}

TEST_F(CommandLine, ConditionalSamplesCarryTheirLabels) {
  write_small_model(model, 3);
  sample({"--num", "4", "--class", "2,0"});
  EXPECT_TRUE(at::equal(io::read_npz(out).at("arr_1"), at::tensor({2, 0, 2, 0}, at::kLong)));
  sample({"--num", "4", "--class", "random"});
  EXPECT_EQ(io::read_npz(out).at("arr_1").numel(), 4);
}

TEST_F(CommandLine, SamplesCanBePngFilesNamedBySeed) {
  write_small_model(model);
  const std::string folder = scratch / "pictures";
  EXPECT_EQ(
      equipoise({"sample", "--model", model, "--seeds", "7,8", "--steps", "2", "--out", folder})
          .code,
      0);
  EXPECT_TRUE(fs::exists(folder + "/000007.png") && fs::exists(folder + "/000008.png"));
}

TEST_F(CommandLine, RefusesSeedsThatAreNone) {
  for (const char* seeds : {"3-1", "a", "1,,2", "0-", "-5", "0-99999999999"})
    expect_failure(
        equipoise({"sample", "--model", model, "--out", out, std::string("--seeds=") + seeds}), 2,
        {"--seeds", seeds});
}

TEST_F(CommandLine, RefusesSamplerOptionsOutOfRange) {
  expect_failure(
      equipoise({"sample", "--model", model, "--out", out, "--num", "1", "--steps", "0"}), 2,
      {"steps", "0"});
  expect_failure(
      equipoise({"sample", "--model", model, "--out", out, "--num", "1", "--sampler", "huen"}), 2,
      {"Did you mean 'heun'?"});
}

TEST_F(CommandLine, SplitWritesAManifestOfDisjointLists) {
  write_striped_idx(scratch / "stripes", 300);
  const std::string manifest = scratch / "split.json";
  const Outcome outcome = equipoise({"data", "split", scratch / "stripes", "--protocol", "minority",
                                     "--classes", "0,2", "--fraction", "0.1", "--reference-size",
                                     "30", "--heldout", "0.2", "--seed", "5", "--out", manifest});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto split = io::read_json(manifest);
  EXPECT_EQ(split.at("protocol"), "minority");
  EXPECT_EQ(split.at("seed"), 5);
  EXPECT_EQ(split.at("reference").size(), 30u);
  EXPECT_EQ(split.at("heldout").size(), 60u);
  EXPECT_EQ(split.at("sha256").get<std::string>().size(), 64u);
}

TEST_F(CommandLine, ConvertWritesOneListOfAManifest) {
  const std::string stripes = scratch / "stripes", manifest = scratch / "split.json";
  write_striped_idx(stripes, 300);
  ASSERT_EQ(equipoise({"data", "split", stripes, "--reference-size", "30", "--heldout", "0.2",
                       "--out", manifest})
                .code,
            0);
  for (const auto& [part, size] :
       std::map<std::string, int>{{"biased", 210}, {"reference", 30}, {"heldout", 60}}) {
    const std::string archive = scratch / (part + ".zip");
    EXPECT_EQ(
        equipoise({"data", "convert", stripes, archive, "--split", manifest, "--part", part}).code,
        0);
    EXPECT_EQ(
        nlohmann::json::parse(equipoise({"data", "check", archive, "--json"}).out).at("num_images"),
        size);
  }
  expect_failure(equipoise({"data", "convert", stripes, scratch / "x.zip", "--part", "biased"}), 2,
                 {"--split"});
}

TEST_F(CommandLine, CheckCountsAndConvertKeepsEveryImage) {
  write_striped_idx(scratch / "stripes", 30);
  const std::string archive = scratch / "stripes.zip";
  EXPECT_EQ(equipoise({"data", "convert", scratch / "stripes", archive}).code, 0);
  for (const std::string& spec : {std::string(scratch / "stripes"), archive}) {
    const Outcome outcome = equipoise({"data", "check", spec, "--json"});
    EXPECT_EQ(outcome.code, 0) << outcome.out;
    const auto report = nlohmann::json::parse(outcome.out);
    EXPECT_EQ(report.at("num_images"), 30);
    EXPECT_EQ(report.at("shape"), (std::vector<int>{1, 8, 8}));
    for (const auto& [name, count] : report.at("groups").at("class").items())
      EXPECT_EQ(count, 10) << name;
  }
}

TEST_F(CommandLine, DoctorLooksAtEverything) {
  const Outcome outcome = equipoise({"doctor", "--json"});
  std::vector<std::string> subjects;
  for (const auto& seen : nlohmann::json::parse(outcome.out)) {
    subjects.push_back(seen.at("subject"));
    EXPECT_NE(seen.at("found"), "") << seen;
    EXPECT_EQ(seen.at("verdict") == "good", !seen.contains("remedy")) << seen;
  }
  EXPECT_THAT(subjects, testing::IsSupersetOf({"LibTorch", "BLAS", "oneDNN", "instruction set",
                                               "cores", "memory", "disk", "device", "allocator"}));
}

}  // namespace
}  // namespace equipoise::e2e
