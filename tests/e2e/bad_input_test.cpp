// What is wrong with files, configs, models and disks: one sentence each, the right exit code,
// nothing damaged.
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "io/files.h"
#include "io/image_codec.h"
#include "io/npy.h"
#include "io/scratch_folder.h"
#include "io/zip_archive.h"
#include "program.h"
#include "small_model.h"
#include "striped_images.h"

namespace equipoise::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct BadInput : testing::Test {
  io::ScratchFolder scratch;
  const std::string folder = scratch / "images", out = scratch / "out",
                    model = scratch / "model.safetensors";

  /// Both `check`, which collects problems, and a command that needs the data say what is wrong.
  void expect_bad_data(const std::string& dataset, const std::vector<std::string>& parts) const {
    const Outcome checked = equipoise({"data", "check", dataset});
    EXPECT_EQ(checked.code, kData) << checked.out << checked.err;
    for (const std::string& part : parts) EXPECT_THAT(checked.out, HasSubstr(part));
    expect_failure(equipoise({"data", "split", dataset, "--out", out, "--reference-size", "0"}),
                   kData, parts);
    EXPECT_FALSE(fs::exists(out));
  }
  void cut_off(const fs::path& file, uintmax_t bytes) const {
    fs::resize_file(file, fs::file_size(file) - bytes);
  }
  void write_png(const std::string& name, int64_t side) const {
    fs::create_directories(fs::path(folder + "/" + name).parent_path());
    io::write_file_atomically(folder + "/" + name,
                              io::encode_png(at::full({1, side, side}, 9, at::kByte)));
  }
};

using BadData = BadInput;

TEST_F(BadData, TruncatedIdx) {
  write_striped_idx(folder, 9);
  cut_off(folder + "/train-images-idx3-ubyte", 10);
  expect_bad_data(folder, {"train-images-idx3-ubyte"});
}

TEST_F(BadData, MislabelledIdx) {
  write_striped_idx(folder, 9);
  io::write_file_atomically(folder + "/train-images-idx3-ubyte", "PK\3\4 this is no IDX file");
  expect_bad_data("idx:" + folder, {"train-images-idx3-ubyte"});
}

TEST_F(BadData, LabelsWithoutImages) {
  write_striped_idx(folder, 9);
  write_idx(folder + "/train-labels-idx1-ubyte", {12}, std::string(12, '\1'));
  expect_bad_data(folder, {"12", "9"});
}

TEST_F(BadData, TruncatedZip) {
  write_striped_idx(folder, 9);
  const std::string archive = scratch / "set.zip";
  ASSERT_EQ(equipoise({"data", "convert", folder, archive}).code, 0);
  cut_off(archive, 100);
  expect_bad_data("zip:" + archive, {archive});
}

TEST_F(BadData, MislabelledZip) {
  const std::string archive = scratch / "set.zip";
  io::write_file_atomically(archive, "not a zip archive at all");
  expect_bad_data("zip:" + archive, {archive});
}

TEST_F(BadData, TruncatedNpz) {
  const std::string file = scratch / "set.npz";
  io::write_npz(file, {{"arr_0", at::zeros({4, 8, 8, 1}, at::kByte)}});
  cut_off(file, 60);
  expect_bad_data("npz:" + file, {file});
}

TEST_F(BadData, NpzWithoutImages) {
  const std::string file = scratch / "set.npz";
  io::write_npz(file, {{"weights", at::zeros({4})}});
  expect_bad_data("npz:" + file, {file, "arr_0"});
}

TEST_F(BadData, TruncatedPng) {
  for (const char* name : {"a/1.png", "a/2.png", "b/1.png"}) write_png(name, 8);
  cut_off(folder + "/a/2.png", 20);
  expect_bad_data(folder, {"2.png"});
}

TEST_F(BadData, TextNamedPng) {
  for (const char* name : {"a/1.png", "a/2.png", "b/1.png"}) write_png(name, 8);
  io::write_file_atomically(folder + "/b/1.png", "hello");
  expect_bad_data(folder, {"1.png"});
}

TEST_F(BadData, ImagesOfUnequalSize) {
  for (const char* name : {"a/1.png", "a/2.png", "b/1.png"}) write_png(name, 8);
  write_png("b/2.png", 10);
  expect_bad_data(folder, {"2.png", "10", "8"});
}

TEST_F(BadData, AnEmptyClass) {
  write_striped_idx(folder, 6);
  write_idx(folder + "/train-labels-idx1-ubyte", {6}, std::string("\0\0\0\2\2\2", 6));
  expect_bad_data(folder, {"class '1'"});
}

TEST_F(BadData, NothingThere) {
  expect_failure(equipoise({"data", "split", scratch / "nowhere", "--out", out}), kData,
                 {"nowhere"});
}

TEST_F(BadInput, AReferenceThatOverlapsTheBiasedSet) {
  write_striped_idx(folder, 9);
  const std::string biased = scratch / "biased.txt", reference = scratch / "reference.txt";
  io::write_file_atomically(biased, "0\n1\n2\n");
  io::write_file_atomically(reference, "2\n3\n");
  expect_failure(equipoise({"data", "split", folder, "--protocol", "file", "--biased-file", biased,
                            "--reference-file", reference, "--out", out}),
                 kData, {reference, "overlap", "index 2"});
  EXPECT_FALSE(fs::exists(out));
}

TEST_F(BadInput, AGroupThatDoesNotExist) {
  write_striped_idx(folder, 9);
  expect_failure(equipoise({"data", "split", folder, "--protocol", "minority", "--classes", "7",
                            "--out", out}),
                 kUsage, {"'7'"});
}

TEST_F(BadInput, AFractionOutOfRange) {
  write_striped_idx(folder, 9);
  expect_failure(equipoise({"data", "split", folder, "--fraction", "1.5", "--out", out}), kUsage,
                 {"fraction", "1.5", "0 to 1"});
}

TEST_F(BadInput, UnknownConfigKeysOfferTheNearestWithFileAndLine) {
  const std::string config = scratch / "bad.toml";
  io::write_file_atomically(config, "[data]\npath = \"x\"\n\n[train]\nimagse = 5\n");
  expect_failure(equipoise({"run", config, "--out", out}), kUsage,
                 {config + ":5", "train.imagse", "did you mean 'train.images'?"});
  EXPECT_FALSE(fs::exists(out));
}

TEST_F(BadInput, WrongTypesAndRangesInAConfig) {
  const std::string config = scratch / "bad.toml";
  io::write_file_atomically(config, "[data]\npath = \"x\"\n[train]\nimages = \"many\"\n");
  expect_failure(equipoise({"run", config, "--out", out}), kUsage,
                 {config + ":4", "train.images", "whole number"});
  expect_failure(
      equipoise({"run", "--preset", "fashion-demo", "--set", "data.heldout=2", "--out", out}),
      kUsage, {"--set data.heldout", "0 to 0.9"});
  EXPECT_FALSE(fs::exists(out));
}

TEST_F(BadInput, AllProblemsOfAConfigAreToldAtOnce) {
  const std::string config = scratch / "bad.toml";
  io::write_file_atomically(config,
                            "[data]\npath = \"x\"\n[train]\nimages = \"many\"\nbatch = 3\n");
  const Outcome outcome = equipoise({"run", config, "--out", out});
  EXPECT_EQ(outcome.code, kUsage);
  EXPECT_THAT(outcome.err, HasSubstr(config + ":4"));
  EXPECT_THAT(outcome.err, HasSubstr(config + ":5"));
}

TEST_F(BadInput, AConfigThatIsNoToml) {
  const std::string config = scratch / "bad.toml";
  io::write_file_atomically(config, "[data\npath = 3\n");
  expect_failure(equipoise({"run", config, "--out", out}), kUsage, {config + ":1", "TOML"});
}

TEST_F(BadInput, AnUnknownObjective) {
  expect_failure(equipoise({"run", "--preset", "fashion-demo", "--set", "objectives=[\"tiw_dms\"]",
                            "--out", out}),
                 kUsage, {"tiw_dms", "Did you mean 'tiw_dsm'?"});
}

TEST_F(BadInput, ATruncatedModel) {
  write_small_model(model);
  cut_off(model, 10);
  expect_failure(equipoise({"sample", "--model", model, "--num", "1", "--out", out}), kData,
                 {model});
}

TEST_F(BadInput, AModelThatIsNone) {
  io::write_file_atomically(model, "once upon a time");
  expect_failure(equipoise({"sample", "--model", model, "--num", "1", "--out", out}), kData,
                 {model});
}

TEST_F(BadInput, AClassifierGivenAsAModel) {
  write_small_classifier(model, 3);
  expect_failure(equipoise({"sample", "--model", model, "--num", "1", "--out", out}), kData,
                 {model, "classifier"});
}

TEST_F(BadInput, AClassOfAModelWithoutClasses) {
  write_small_model(model);
  expect_failure(
      equipoise({"sample", "--model", model, "--num", "1", "--class", "1", "--out", out}), kUsage,
      {"--class", "unconditional"});
}

TEST_F(BadInput, AClassTheModelLacks) {
  write_small_model(model, 3);
  expect_failure(
      equipoise({"sample", "--model", model, "--num", "1", "--class", "3", "--out", out}), kUsage,
      {"--class", "0 to 2"});
}

TEST_F(BadInput, LatentsOfAnotherShape) {
  write_small_model(model);
  const std::string latents = scratch / "latents.npy";
  io::write_npy(latents, at::zeros({2, 3, 8, 8}));
  expect_failure(
      equipoise({"sample", "--model", model, "--num", "2", "--latents", latents, "--out", out}),
      kUsage, {latents, "[2, 3, 8, 8]", "[2, 1, 8, 8]"});
}

TEST_F(BadInput, SamplesThatDoNotFitTheReference) {
  write_striped_idx(folder, 9);
  const std::string samples = scratch / "samples.npz";
  io::write_npz(samples, {{"arr_0", at::zeros({4, 10, 10, 1}, at::kByte)}});
  expect_failure(equipoise({"evaluate", "--samples", samples, "--reference", folder}), kData,
                 {"10", "8"});
}

TEST_F(BadInput, AClassifierThatDoesNotFitTheData) {
  write_striped_idx(folder, 9);
  const std::string samples = scratch / "samples.npz";
  io::write_npz(samples, {{"arr_0", at::zeros({4, 8, 8, 1}, at::kByte)}});
  write_small_classifier(model, 5);
  expect_failure(
      equipoise({"evaluate", "--samples", samples, "--reference", folder, "--classifier", model}),
      kData, {"5", "3"});
}

TEST_F(BadInput, AFolderWithoutResults) {
  expect_failure(equipoise({"report", scratch.path()}), kData, {"results.json"});
}

TEST_F(BadInput, WeightsThatAreNoNetwork) {
  io::write_file_atomically(scratch / "weights.safetensors", "nothing");
  expect_failure(equipoise({"import", "edm", scratch / "weights.safetensors", "--out", model}),
                 kData, {"weights.safetensors"});
  EXPECT_FALSE(fs::exists(model));
}

TEST_F(BadInput, AFullDiskLeavesTheOldFileWhole) {
  write_striped_idx(folder, 300);
  const std::string archive = scratch / "set.zip";
  io::write_file_atomically(archive, "what was there before");
  Program program({"data", "convert", folder, archive}, /*max_file_bytes=*/4096);
  expect_failure(program.wait(), kEnvironment, {archive});
  EXPECT_EQ(io::read_file(archive), "what was there before");
}

TEST_F(BadInput, AFullDiskEndsARunAndWhatIsThereStaysSound) {
  write_striped_idx(folder, 600);
  const Arguments arguments{"run",   EQUIPOISE_SOURCE_DIR "/tests/e2e/tiny.toml",
                            "--set", "data.path=" + folder,
                            "--out", out};
  Program program(arguments, /*max_file_bytes=*/8192);
  expect_failure(program.wait(), kEnvironment, {out});
  Arguments again = arguments;
  again.push_back("--resume");
  EXPECT_EQ(equipoise(again).code, 0);  // once there is room
}

TEST_F(BadInput, AnOutputFolderThatCannotBeMade) {
  io::write_file_atomically(scratch / "file", "");
  write_striped_idx(folder, 600);
  expect_failure(equipoise({"run", EQUIPOISE_SOURCE_DIR "/tests/e2e/tiny.toml", "--set",
                            "data.path=" + folder, "--out", scratch / "file/run"}),
                 kEnvironment, {"file"});
}

TEST_F(BadInput, AnOutputFolderInUse) {
  fs::create_directories(out);
  const io::FileLock lock(out);
  expect_failure(equipoise({"run", EQUIPOISE_SOURCE_DIR "/tests/e2e/tiny.toml", "--set",
                            "data.path=x", "--out", out}),
                 kEnvironment, {out, "in use by another run"});
  EXPECT_FALSE(fs::exists(out + "/config.toml"));
}

}  // namespace
}  // namespace equipoise::e2e
