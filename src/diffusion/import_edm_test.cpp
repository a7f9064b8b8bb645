#include "diffusion/import_edm.h"

#include <fstream>

#include <gtest/gtest.h>

#include "core/error.h"
#include "diffusion/model_file.h"
#include "io/safetensors.h"

namespace equipoise::diffusion {
namespace {

using nlohmann::json;

// Networks that together use every option the tensors tell of.
std::vector<json> described_networks() {
  const json song{{"type", "SongUNet"},
                  {"model_channels", 16},
                  {"channel_mult", {1, 2}},
                  {"channel_mult_emb", 2},
                  {"num_blocks", 2},
                  {"attn_resolutions", {4}},
                  {"augment_dim", 9},
                  {"channel_mult_noise", 1},
                  {"embedding_type", "positional"},
                  {"encoder_type", "standard"},
                  {"decoder_type", "standard"},
                  {"resample_filter", {1.0, 1.0}}};
  json ncsn = song, skip = song, blind = song, adm;
  ncsn.update({{"embedding_type", "fourier"},
               {"encoder_type", "residual"},
               {"channel_mult_noise", 2},
               {"resample_filter", {1.0, 3.0, 3.0, 1.0}}});
  skip.update({{"encoder_type", "skip"}, {"decoder_type", "skip"}});
  blind.update({{"embedding_type", "zero"}, {"augment_dim", 0}});
  adm = {{"type", "DhariwalUNet"}, {"model_channels", 64}, {"channel_mult", {2, 1}},
         {"channel_mult_emb", 3},  {"num_blocks", 1},      {"attn_resolutions", {8}},
         {"augment_dim", 0}};
  return {song, ncsn, skip, blind, adm};
}

nets::NamedTensors tensors_of(const json& network, const nets::DataShape& shape) {
  return nets::state_of(*make_denoiser({.shape = shape, .network = network}, 4));
}

TEST(InferNetwork, FindsEveryOptionTheTensorsTell) {
  for (const json& network : described_networks()) {
    const nets::NamedTensors tensors = tensors_of(network, {8, 3, 5});
    EXPECT_EQ(infer_network(tensors, "test"), network) << network;
    const nets::DataShape shape = infer_shape(tensors, "test");
    EXPECT_EQ(shape.resolution, 8);
    EXPECT_EQ(shape.channels, 3);
    EXPECT_EQ(shape.label_dim, network.value("embedding_type", "") == "zero" ? 0 : 5);
  }
}

class ImportEdm : public testing::Test {
 protected:
  ImportEdm() { std::filesystem::create_directories(folder_); }
  ~ImportEdm() override { std::filesystem::remove_all(folder_); }

  // Under a prefix, beside tensors that are not the network's, as training snapshots have them.
  void write(const std::map<std::string, std::string>& metadata) {
    nets::NamedTensors named{{"step", at::zeros({1})}};
    for (const auto& [name, tensor] : tensors_) named["ema." + name] = tensor;
    io::write_safetensors(weights_, named, metadata);
  }

  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) /
      (std::string("equipoise_import_") +
       testing::UnitTest::GetInstance()->current_test_info()->name());
  const std::filesystem::path weights_ = folder_ / "weights.safetensors",
                              out_ = folder_ / "model.safetensors";
  nets::NamedTensors tensors_ = tensors_of(described_networks()[0], {8, 3, 5});
};

TEST_F(ImportEdm, NeedsOnlyThePreconditioning) {
  write({{"precond", "VPPrecond"}});
  const ModelConfig config = import_edm(weights_, {}, out_);
  EXPECT_EQ(config.preconditioning, "vp");
  const LoadedModel loaded = load_model(out_);
  EXPECT_EQ(loaded.config.preconditioning, "vp");
  for (const auto& [name, tensor] : nets::state_of(*loaded.denoiser))
    EXPECT_TRUE(at::equal(tensor, tensors_.at(name)));
}

TEST_F(ImportEdm, TakesTheRestFromMetadataAndConfigFile) {
  write({{"precond", "VPPrecond"}, {"model", R"({"model_type": "SongUNet", "dropout": 0.25})"}});
  std::ofstream(folder_ / "config.json")
      << R"({"precond": "EDMPrecond", "interface": {"sigma_data": 0.4}})";
  const ModelConfig config =
      import_edm(weights_, {.config = folder_ / "config.json", .prefix = "ema."}, out_);
  EXPECT_EQ(config.preconditioning, "edm");
  EXPECT_EQ(config.sigma_data, 0.4);
  EXPECT_EQ(config.network.at("dropout"), 0.25);
}

TEST_F(ImportEdm, RefusesToGuessThePreconditioning) {
  write({});
  EXPECT_THROW(import_edm(weights_, {}, out_), UsageError);
  write({{"precond", "EDMPrecon"}});
  EXPECT_THROW(import_edm(weights_, {}, out_), UsageError);
  EXPECT_FALSE(std::filesystem::exists(out_));
}

TEST_F(ImportEdm, RefusesWhatDoesNotBelong) {
  write({{"precond", "EDMPrecond"}, {"model", R"({"num_blocks": 3})"}});
  EXPECT_THROW(import_edm(weights_, {}, out_), DataError);
  write({{"precond", "EDMPrecond"}, {"model", "[1]"}});
  EXPECT_THROW(import_edm(weights_, {}, out_), DataError);
  write({{"precond", "EDMPrecond"}, {"interface", R"({"img_rez": 8})"}});
  EXPECT_THROW(import_edm(weights_, {}, out_), UsageError);
  write({{"precond", "EDMPrecond"}});
  EXPECT_THROW(import_edm(weights_, {.prefix = "net."}, out_), DataError);
  tensors_ = {{"weight", at::zeros({2})}};
  write({{"precond", "EDMPrecond"}});
  EXPECT_THROW(import_edm(weights_, {}, out_), DataError);
  EXPECT_FALSE(std::filesystem::exists(out_));
}

}  // namespace
}  // namespace equipoise::diffusion
