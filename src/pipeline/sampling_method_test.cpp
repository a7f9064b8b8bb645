#include "pipeline/sampling_method.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "diffusion/model_file.h"
#include "io/hash.h"
#include "io/scratch_folder.h"

namespace equipoise::pipeline {
namespace {

using testing::HasSubstr;

const nets::DataShape kPlane{.resolution = 0, .channels = 2};

/// A model of points in the plane with its discriminator, and the recipe of samples taken from it.
class Tables : public testing::Test {
 protected:
  Tables() {
    write_model(model_, 1);
    write_discriminator(discriminator_, 1, {});
    write_discriminator(other_, 2, {});
    std::ofstream(file_) << recipe().dump();
  }

  static void write_model(const std::filesystem::path& path, uint64_t seed) {
    const diffusion::ModelConfig config{
        .sigma_data = 0.5, .shape = kPlane, .network = {{"type", "MLP"}, {"hidden", 8}}};
    diffusion::save_model(path, *diffusion::make_denoiser(config, seed), config);
  }
  static void write_discriminator(const std::filesystem::path& path, uint64_t seed,
                                  const nlohmann::json& extra) {
    const diffusion::NetworkDescription description{
        .shape = kPlane,
        .network = {{"type", "MLP"}, {"hidden", 8}},
        .extra = extra.is_null() ? nlohmann::json::object() : extra};
    const auto network =
        nets::make_discriminator_network(description.network, description.shape, seed);
    diffusion::save_discriminator(path, nets::state_of(*network), description);
  }
  SamplingMethod method(const std::vector<std::string>& guidance = {},
                        const std::string& more = "") const {
    return parse_sampling_method("heun:steps=4", guidance,
                                 "percentile=0.5,tables=" + file_.string() + more);
  }
  /// As 'equipoise sample --rejection' writes it.
  nlohmann::json recipe() const {
    const std::vector<double> constants{0, 1, 2, 3, 4};
    return {{"model_sha256", io::sha256_of_file(model_)},
            {"sampler", {{"type", "heun"}, {"steps", 4}}},
            {"guidance", nlohmann::json::array()},
            {"guidance_sha256", nlohmann::json::array()},
            {"rejection",
             {{"percentile", 0.5},
              {"discriminator_sha256", io::sha256_of_file(discriminator_)},
              {"tables", {{"marginal", constants}, {"transition", constants}}}}}};
  }
  ReadyMethod ready(const SamplingMethod& method) const {
    return prepare(method, model_, kPlane, at::kCPU);
  }
  void expect_refusal(const SamplingMethod& method, const std::string& what) const {
    try {
      ready(method);
      FAIL() << "accepted, though measured with another " << what;
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), HasSubstr("another " + what));
      EXPECT_THAT(error.what(), HasSubstr(file_.string()));
    }
  }

  const io::ScratchFolder folder_;
  const std::filesystem::path model_ = folder_ / "m.safetensors",
                              discriminator_ = folder_ / "m.discriminator.safetensors",
                              other_ = folder_ / "other.safetensors", file_ = folder_ / "made.json";
};

TEST_F(Tables, AreTakenFromARecipeOfTheSameMethod) {
  const ReadyMethod same = ready(method());
  ASSERT_TRUE(same.tables.has_value());
  EXPECT_EQ(same.tables->transition, (std::vector<double>{0, 1, 2, 3, 4}));
  EXPECT_NE(same.ratio, nullptr);
}

TEST_F(Tables, OfAnotherModelAreRefused) {
  write_model(model_, 2);
  expect_refusal(method(), "model");
}

TEST_F(Tables, OfAnotherDiscriminatorAreRefused) {
  expect_refusal(method({}, ",model=" + other_.string()), "discriminator");
  write_discriminator(discriminator_, 2, {});
  expect_refusal(method(), "discriminator");
}

TEST_F(Tables, OfAnotherSolverOrGuidanceAreRefused) {
  SamplingMethod other = method();
  other.sampler["steps"] = 5;
  expect_refusal(other, "sampler");
  expect_refusal(method({"discriminator:weight=1"}), "guidance");
}

TEST_F(Tables, OfAGuidanceTermThatWasTrainedAgainAreRefused) {
  const SamplingMethod guided = method({"discriminator:weight=1,model=" + other_.string()});
  nlohmann::json made = recipe();
  made["guidance"] = guided.guidance;
  made["guidance_sha256"] = {io::sha256_of_file(other_)};
  std::ofstream(file_) << made.dump();
  EXPECT_TRUE(ready(guided).tables.has_value());
  write_discriminator(other_, 3, {});
  expect_refusal(guided, "network of a guidance term");
}

TEST_F(Tables, OfAnotherQuantileAreRefused) {
  SamplingMethod other = method();
  other.rejection["percentile"] = 0.6;
  expect_refusal(other, "percentile");
  other = method();
  other.rejection["allow_below_one"] = true;
  expect_refusal(other, "allow_below_one");
}

TEST_F(Tables, ThatAreNoneAreRefusedAsData) {
  for (const char* text : {"", "{", "{}", "[]", "3"}) {
    std::ofstream(file_) << text;
    EXPECT_THROW(ready(method()), DataError) << text;
  }
}

TEST_F(Tables, ThatAreDamagedAreRefusedAsData) {
  nlohmann::json no_rejection = recipe(), no_object = recipe();
  no_rejection["rejection"] = nullptr;
  no_object["rejection"] = 3;
  for (const nlohmann::json& damaged : {no_rejection, no_object}) {
    std::ofstream(file_) << damaged.dump();
    EXPECT_THROW(ready(method()), DataError) << damaged["rejection"];
  }
  nlohmann::json made = recipe();
  made["rejection"].erase("tables");
  std::ofstream(file_) << made.dump();
  EXPECT_THROW(ready(method()), DataError);
}

using RejectionMethod = Tables;

TEST_F(RejectionMethod, NeedsADiscriminatorOfNoisyImages) {
  write_discriminator(discriminator_, 1, {{"time_dependent", false}});
  try {
    ready(parse_sampling_method("heun:steps=4", {}, "percentile=0.5"));
    FAIL() << "rejection asks at every noise level";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("clean images only"));
  }
}

TEST_F(RejectionMethod, NeedsADiscriminatorOfTheModelsImages) {
  EXPECT_THROW(prepare(parse_sampling_method("heun:steps=4", {}, "percentile=0.5"), model_,
                       {.resolution = 0, .channels = 3}, at::kCPU),
               UsageError);
}

}  // namespace
}  // namespace equipoise::pipeline
