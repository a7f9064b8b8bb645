#include "diffusion/import_adm.h"

#include <fstream>

#include <gtest/gtest.h>

#include "core/error.h"
#include "diffusion/model_file.h"
#include "io/safetensors.h"
#include "io/scratch_folder.h"
#include "nets/state.h"

namespace equipoise::diffusion {
namespace {

using nlohmann::json;

// The network of the flags below, as options of ours.
const json kNetwork{{"type", "ADMUNet"},
                    {"model_channels", 32},
                    {"channel_mult", {1, 2}},
                    {"num_res_blocks", 1},
                    {"attention_resolutions", {8}},
                    {"num_heads", 2},
                    {"num_head_channels", 0},
                    {"use_scale_shift_norm", true},
                    {"resblock_updown", true},
                    {"use_new_attention_order", true},
                    {"learn_sigma", true},
                    {"dropout", 0.1}};

class ImportAdm : public testing::Test {
 protected:
  void write_weights(const std::string& prefix = "") const {
    nets::NamedTensors named;
    for (const auto& [name, tensor] : tensors_) named[prefix + name] = tensor;
    io::write_safetensors(weights_, named);
  }
  ModelConfig import(const std::string& prefix = "") const {
    std::ofstream(flags_file_) << flags_;
    return import_adm(weights_, {.config = flags_file_, .prefix = prefix}, out_);
  }
  template <class Kind>
  std::string refused(const std::string& prefix = "") const {
    try {
      import(prefix);
    } catch (const Kind& error) {
      EXPECT_FALSE(std::filesystem::exists(out_));
      return error.what();
    }
    ADD_FAILURE() << "imported";
    return "";
  }

  io::ScratchFolder scratch_;
  const std::filesystem::path weights_ = scratch_ / "weights.safetensors",
                              flags_file_ = scratch_ / "flags.json",
                              out_ = scratch_ / "model.safetensors";
  json flags_{{"image_size", 16},
              {"num_channels", 32},
              {"num_res_blocks", 1},
              {"channel_mult", "1,2"},
              {"num_heads", 2},
              {"attention_resolutions", "8"},
              {"learn_sigma", true},
              {"class_cond", true},
              {"resblock_updown", true},
              {"use_new_attention_order", true},
              {"dropout", 0.1},
              {"noise_schedule", "cosine"},
              {"diffusion_steps", 400},
              {"use_fp16", true},
              {"timestep_respacing", "250"}};
  nets::NamedTensors tensors_ =
      nets::state_of(*nets::make_denoiser_network(kNetwork, {16, 3, 5}, 4));
};

TEST_F(ImportAdm, MakesAModelFileOfFlagsAndTensors) {
  write_weights();
  const ModelConfig config = import();
  EXPECT_EQ(config.network, kNetwork);
  EXPECT_EQ(config.preconditioning, "ddpm_cosine_400");
  EXPECT_EQ(config.shape.resolution, 16);
  EXPECT_EQ(config.shape.channels, 3);
  EXPECT_EQ(config.shape.label_dim, 5);
  const LoadedModel loaded = load_model(out_);
  EXPECT_EQ(loaded.config.preconditioning, "ddpm_cosine_400");
  const nets::NamedTensors state = nets::state_of(*loaded.denoiser);
  EXPECT_EQ(state.size(), tensors_.size());
  for (const auto& [name, tensor] : tensors_)
    EXPECT_TRUE(at::equal(state.at("model." + name), tensor)) << name;
}

TEST_F(ImportAdm, TakesListsAsJsonToo) {
  write_weights();
  flags_["channel_mult"] = {1, 2};
  flags_["attention_resolutions"] = {8};
  EXPECT_EQ(import().network, kNetwork);
}

// The release's defaults, and its multipliers for 64x64.
TEST_F(ImportAdm, FillsInWhatTheFlagsLeaveOut) {
  json network = kNetwork;
  network.update({{"channel_mult", {1, 2, 3, 4}},
                  {"num_res_blocks", 2},
                  {"attention_resolutions", {16, 8}},
                  {"num_heads", 4},
                  {"resblock_updown", false},
                  {"use_new_attention_order", false},
                  {"learn_sigma", false},
                  {"dropout", 0.0}});
  tensors_ = nets::state_of(*nets::make_denoiser_network(network, {64, 3, 0}, 4));
  flags_ = {{"num_channels", 32}};
  write_weights();
  const ModelConfig config = import();
  EXPECT_EQ(config.network, network);
  EXPECT_EQ(config.preconditioning, "ddpm_linear_1000");
  EXPECT_EQ(config.shape.label_dim, 0);
}

TEST_F(ImportAdm, FindsOrTakesThePrefix) {
  tensors_["extra"] = at::zeros({1});
  write_weights("ema.");
  EXPECT_NE(refused<DataError>().find("unexpected"), std::string::npos);
  tensors_.erase("extra");
  write_weights("ema.");
  import();
  import("ema.");
  std::filesystem::remove(out_);
  EXPECT_NE(refused<DataError>("net.").find("no U-Net"), std::string::npos);
}

TEST_F(ImportAdm, AsksWhichOfSeveralNetworks) {
  nets::NamedTensors both;
  for (const auto& [name, tensor] : tensors_) both["net." + name] = both["ema." + name] = tensor;
  tensors_ = both;
  write_weights();
  const std::string text = refused<UsageError>();
  EXPECT_NE(text.find("ema."), std::string::npos) << text;
  import("ema.");
}

TEST_F(ImportAdm, RefusesFlagsThatDoNotFitTheTensors) {
  write_weights();
  flags_["learn_sigma"] = false;
  EXPECT_NE(refused<DataError>().find("out.2.weight"), std::string::npos);
  flags_["learn_sigma"] = true;
  flags_["class_cond"] = false;
  EXPECT_NE(refused<DataError>().find("label_emb.weight"), std::string::npos);
  flags_["class_cond"] = true;
  tensors_.erase("label_emb.weight");
  write_weights();
  EXPECT_NE(refused<DataError>().find("class_cond"), std::string::npos);
}

TEST_F(ImportAdm, RefusesModelsThatAreNotDenoisersHere) {
  write_weights();
  const json flags = flags_;
  for (const json& more : {json{{"predict_xstart", true}}, json{{"rescale_timesteps", true}},
                           json{{"num_heads_upsample", 4}}, json{{"noise_schedule", "sqrt"}},
                           json{{"diffusion_steps", 1}}}) {
    flags_ = flags;
    flags_.update(more);
    refused<UsageError>();
  }
  flags_ = flags;
  flags_.update({{"rescale_timesteps", true}, {"diffusion_steps", 1000}});
  import();
}

TEST_F(ImportAdm, RefusesFlagsThatCannotBeRead) {
  write_weights();
  const json flags = flags_;
  flags_["num_chanels"] = 32;
  EXPECT_NE(refused<UsageError>().find("num_channels"), std::string::npos);
  flags_ = flags;
  flags_["attention_resolutions"] = "8,,4";
  refused<DataError>();
  flags_["attention_resolutions"] = "8.5";
  refused<UsageError>();
  flags_ = flags;
  flags_.erase("channel_mult");
  EXPECT_NE(refused<UsageError>().find("channel_mult"), std::string::npos);
  flags_ = json::array();
  refused<DataError>();
  EXPECT_THROW(import_adm(weights_, {}, out_), UsageError);
}

}  // namespace
}  // namespace equipoise::diffusion
