#include "diffusion/model_file.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "io/safetensors.h"

namespace equipoise::diffusion {
namespace {

class ModelFile : public testing::Test {
 protected:
  ModelFile() {
    std::filesystem::create_directories(folder_);
    path_ = folder_ / "model.safetensors";
  }
  ~ModelFile() override { std::filesystem::remove_all(folder_); }

  template <class Body>
  std::string data_error(const Body& body) const {
    try {
      body();
    } catch (const DataError& error) {
      return error.what();
    }
    ADD_FAILURE() << "accepted";
    return "";
  }

  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) /
      (std::string("equipoise_model_file_") +
       testing::UnitTest::GetInstance()->current_test_info()->name());
  std::filesystem::path path_;
  const ModelConfig config_{.sigma_data = 0.7,
                            .shape = {0, 2, 3},
                            .network = {{"type", "MLP"}, {"hidden", 8}},
                            .extra = {{"class_names", {"a", "b", "c"}}}};
};

TEST_F(ModelFile, RestoresTheDenoiserBitForBit) {
  torch::NoGradGuard no_grad;
  const auto denoiser = make_denoiser(config_, 5);
  save_model(path_, *denoiser, config_, {{"note", "kept"}});
  const LoadedModel loaded = load_model(path_);
  const at::Tensor x = random_normal(1, Purpose::kNoise, at::arange(4), {2}),
                   sigma = at::full({4}, 0.3);
  EXPECT_TRUE(at::equal(loaded.denoiser->denoise(x, sigma), denoiser->denoise(x, sigma)));
  EXPECT_EQ(loaded.config.extra, config_.extra);
  EXPECT_EQ(loaded.config.network, config_.network);
  EXPECT_EQ(loaded.config.sigma_data, 0.7);
  EXPECT_EQ(loaded.config.shape.label_dim, 3);
  EXPECT_EQ(loaded.metadata, (Metadata{{"note", "kept"}}));
}

TEST_F(ModelFile, ClassesWithoutNamesAreCalledByTheirNumbers) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(class_names(config_.extra, 3), (Names{"a", "b", "c"}));
  EXPECT_EQ(class_names({{"imported_from", "x.safetensors"}}, 3), (Names{"0", "1", "2"}));
  EXPECT_EQ(class_names(nlohmann::json::object(), 0), Names{});
}

TEST_F(ModelFile, RestoresDiscriminatorsAndClassifiers) {
  torch::NoGradGuard no_grad;
  const NetworkDescription judge{
      {0, 2, 0}, {{"type", "MLP"}, {"hidden", 8}}, {{"time_map", "linear"}}};
  const auto discriminator = nets::make_discriminator_network(judge.network, judge.shape, 3);
  save_discriminator(path_, nets::state_of(*discriminator), judge);
  const LoadedDiscriminator loaded = load_discriminator(path_);
  const at::Tensor z = at::ones({2, 2}), tau = at::full({2}, 0.5);
  EXPECT_TRUE(at::equal(loaded.network->logit(z, tau), discriminator->logit(z, tau)));
  EXPECT_EQ(loaded.description.extra, judge.extra);

  const NetworkDescription labeller{{8, 1, 3}, {{"type", "CNN"}, {"channels", {8}}}};
  const auto classifier = nets::make_classifier_network(labeller.network, labeller.shape, 3);
  save_classifier(path_, nets::state_of(*classifier), labeller);
  const at::Tensor images = at::ones({2, 1, 8, 8});
  EXPECT_TRUE(
      at::equal(load_classifier(path_).network->logits(images), classifier->logits(images)));
}

TEST_F(ModelFile, SaysWhichKindItIsWhenAskedForAnother) {
  const NetworkDescription labeller{{8, 1, 3}, {{"type", "CNN"}, {"channels", {8}}}};
  save_classifier(
      path_, nets::state_of(*nets::make_classifier_network(labeller.network, labeller.shape, 3)),
      labeller);
  const std::string text = data_error([&] { load_model(path_); });
  EXPECT_NE(text.find("equipoise.classifier"), std::string::npos) << text;
  EXPECT_NE(text.find("equipoise.model"), std::string::npos) << text;
  EXPECT_NE(text.find(path_.string()), std::string::npos) << text;
}

TEST_F(ModelFile, RefusesForeignAndNewerFiles) {
  io::write_safetensors(path_, {{"a", at::zeros({1})}}, {});
  EXPECT_NE(data_error([&] { load_model(path_); }).find("import"), std::string::npos);
  io::write_safetensors(path_, {{"a", at::zeros({1})}},
                        {{"format", "equipoise.model"}, {"format_version", "2"}});
  EXPECT_NE(data_error([&] { load_model(path_); }).find("version"), std::string::npos);
  io::write_safetensors(path_, {{"a", at::zeros({1})}},
                        {{"format", "equipoise.model"}, {"format_version", "1"}});
  EXPECT_NE(data_error([&] { load_model(path_); }).find("config"), std::string::npos);
}

TEST_F(ModelFile, RefusesBrokenConfigsAsData) {
  for (const char* config :
       {"{", "[]", R"({"preconditioning": 3})", R"({"preconditioning": "edm", "sigma_data": "x"})",
        R"({"preconditioning": "edm", "sigma_data": 0.5, "extra": {},
                                 "shape": {"resolution": 0, "channels": 2, "label_dim": 0}, "network": {"type": "None"}})",
        R"({"preconditioning": "edm", "sigma_data": 0.5, "extra": {},
                                 "shape": {"resolution": -3}, "network": {"type": "MLP"}})"}) {
    io::write_safetensors(
        path_, {{"a", at::zeros({1})}},
        {{"format", "equipoise.model"}, {"format_version", "1"}, {"config", config}});
    EXPECT_FALSE(data_error([&] { load_model(path_); }).empty()) << config;
  }
}

TEST_F(ModelFile, NamesTensorsThatDoNotFit) {
  nets::NamedTensors state = nets::state_of(*make_denoiser(config_, 5));
  state.erase("model.out.bias");
  save_model(path_, state, config_);
  const std::string text = data_error([&] { load_model(path_); });
  EXPECT_NE(text.find("missing model.out.bias"), std::string::npos) << text;
}

TEST_F(ModelFile, KeepsItsOwnMetadataNames) {
  EXPECT_THROW(save_model(path_, *make_denoiser(config_, 5), config_, {{"config", "mine"}}),
               UsageError);
}

TEST(CheckFits, ComparesSizesAndClasses) {
  EXPECT_NO_THROW(check_fits({32, 3, 0}, {32, 3, 10}, "model"));
  EXPECT_NO_THROW(check_fits({32, 3, 10}, {32, 3, 10}, "model"));
  EXPECT_THROW(check_fits({32, 3, 10}, {32, 3, 9}, "model"), UsageError);
  EXPECT_THROW(check_fits({32, 3, 0}, {28, 3, 0}, "model"), UsageError);
  EXPECT_THROW(check_fits({32, 3, 0}, {32, 1, 0}, "model"), UsageError);
  EXPECT_THROW(check_fits({0, 3, 0}, {0, 2, 0}, "model"), UsageError);
}

}  // namespace
}  // namespace equipoise::diffusion
