// What every denoiser network promises, and what each of them promises besides.
#include "nets/network.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/normal_fixture.h"
#include "core/random.h"
#include "nets/default_network.h"
#include "nets/network_fixture.h"
#include "nets/state.h"

namespace equipoise::nets {
namespace {

using nlohmann::json;

struct Case {
  json config;
  DataShape shape;
  std::vector<int64_t> item() const {
    if (shape.resolution == 0) return {shape.channels};
    return {shape.channels, shape.resolution, shape.resolution};
  }
};

// A small member of each registered type; a new type must be given one here.
Case small_case(const std::string& type) {
  const json unet{{"type", type},    {"model_channels", 16},    {"channel_mult", {1, 2}},
                  {"num_blocks", 1}, {"attn_resolutions", {4}}, {"dropout", 0.3}};
  if (type == "MLP") return {{{"type", type}, {"hidden", 16}}, {0, 3, 4}};
  if (type == "PatchUNet") return {unet, {16, 2, 4}};
  if (type == "WordUNet")
    return {{{"type", type}, {"model_channels", 8}, {"time_channels", 16}}, {8, 2, 4}};
  if (type == "ADMUNet")
    return {{{"type", type},
             {"model_channels", 32},
             {"channel_mult", {1, 2}},
             {"num_res_blocks", 1},
             {"attention_resolutions", {4}},
             {"num_head_channels", 16},
             {"dropout", 0.3}},
            {8, 2, 4}};
  return {unet, {8, 2, 4}};
}

std::shared_ptr<DenoiserNetwork> make(const Case& c, uint64_t seed = 0) {
  auto network = make_denoiser_network(c.config, c.shape, seed);
  perturb(*network, 0.05);
  return network;
}

at::Tensor inputs(const Case& c, int64_t batch) {
  std::vector<int64_t> shape = c.item();
  shape.insert(shape.begin(), batch);
  return normal_items(shape);
}

class EveryNetwork : public testing::TestWithParam<std::string> {
 protected:
  Case case_ = small_case(GetParam());
  torch::NoGradGuard no_grad_;
  at::Tensor noise_ = at::tensor({-0.5f, 0.1f, 0.3f, 0.2f});
  at::Tensor labels_ = at::eye(4);
};

TEST_P(EveryNetwork, ReturnsTheShapeOfItsInput) {
  const at::Tensor x = inputs(case_, 4);
  const at::Tensor out = make(case_)->forward(x, noise_, {});
  EXPECT_EQ(out.sizes(), x.sizes());
  EXPECT_TRUE(at::isfinite(out).all().item<bool>());
}

TEST_P(EveryNetwork, StartsFromItsSeedAlone) {
  const auto first = make_denoiser_network(case_.config, case_.shape, 1);
  const auto same = make_denoiser_network(case_.config, case_.shape, 1);
  const auto other = make_denoiser_network(case_.config, case_.shape, 2);
  bool any_differs = false;
  const NamedTensors a = state_of(*first), b = state_of(*same), c = state_of(*other);
  for (const auto& [name, tensor] : a) {
    EXPECT_TRUE(at::equal(tensor, b.at(name))) << name;
    any_differs = any_differs || !at::equal(tensor, c.at(name));
  }
  EXPECT_TRUE(any_differs);
}

TEST_P(EveryNetwork, LooksAtNoiseLevelAndLabel) {
  const auto network = make(case_);
  const at::Tensor x = inputs(case_, 4);
  const at::Tensor plain = network->forward(x, noise_, {});
  EXPECT_FALSE(at::allclose(plain, network->forward(x, noise_ + 1, {})));
  EXPECT_FALSE(at::allclose(plain, network->forward(x, noise_, {.class_labels = labels_})));
}

TEST_P(EveryNetwork, GivesTheSameImageInAnyBatch) {
  const auto network = make(case_);
  const at::Tensor x = inputs(case_, 4), numbers = at::arange(20, 24);
  const ForwardRandomness all{.seed = 9, .image_numbers = numbers};
  const at::Tensor whole =
      network->forward(x, noise_, {.class_labels = labels_, .randomness = &all});
  for (int64_t i = 0; i < 4; ++i) {
    const ForwardRandomness one{.seed = 9, .image_numbers = numbers.slice(0, i, i + 1)};
    const at::Tensor alone =
        network->forward(x.slice(0, i, i + 1), noise_.slice(0, i, i + 1),
                         {.class_labels = labels_.slice(0, i, i + 1), .randomness = &one});
    EXPECT_TRUE(at::allclose(alone[0], whole[i], 1e-4, 1e-5));
  }
}

TEST_P(EveryNetwork, DropsNothingInEvaluationEvenInTrainingMode) {
  const auto network = make(case_);
  const at::Tensor x = inputs(case_, 4);
  network->train();
  const at::Tensor training = network->forward(x, noise_, {});
  network->eval();
  EXPECT_TRUE(at::equal(training, network->forward(x, noise_, {})));
}

TEST_P(EveryNetwork, RefusesUnknownOptionsAndOffersTheNearest) {
  json config = case_.config;
  config["dropuot"] = 0.1;
  config["hiden"] = 3;
  config["num_haeds"] = 2;
  const std::string nearest = GetParam() == "MLP"        ? "hidden"
                              : GetParam() == "WordUNet" ? "num_heads"
                                                         : "dropout";
  try {
    make_denoiser_network(config, case_.shape, 0);
    FAIL() << "accepted";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find(nearest), std::string::npos) << error.what();
  }
}

TEST_P(EveryNetwork, HasGradientsThatEqualFiniteDifferences) {
  const auto network = make(case_);
  network->to(at::kDouble);
  std::vector<at::Tensor> parameters = network->parameters();
  const at::Tensor x = inputs(case_, 2).to(at::kDouble),
                   noise = noise_.slice(0, 0, 2).to(at::kDouble);
  const auto value = [&] { return network->forward(x, noise, {}).square().sum(); };
  std::vector<at::Tensor> gradients;
  {
    torch::AutoGradMode with_grad(true);
    gradients = torch::autograd::grad({value()}, parameters, {}, c10::nullopt, false,
                                      /*allow_unused=*/true);
  }
  double along = 0;
  std::vector<at::Tensor> directions;
  uint32_t part = 500;
  for (size_t i = 0; i < gradients.size(); ++i) {
    directions.push_back(
        random_normal(3, Purpose::kNoise, at::arange(1), parameters[i].sizes(), part++)[0].to(
            at::kDouble));
    if (gradients[i].defined()) along += (gradients[i] * directions[i]).sum().item<double>();
  }
  const auto moved = [&](double step) {
    for (size_t i = 0; i < directions.size(); ++i) parameters[i].add_(directions[i] * step);
    const double result = value().item<double>();
    for (size_t i = 0; i < directions.size(); ++i) parameters[i].sub_(directions[i] * step);
    return result;
  };
  const double step = 1e-6;
  const double difference = (moved(step) - moved(-step)) / (2 * step);
  EXPECT_NEAR(difference, along, 1e-5 * std::abs(along) + 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Networks, EveryNetwork,
                         testing::ValuesIn(NetworkRegistry::instance().names()),
                         [](const auto& info) { return info.param; });

/// Gradients of all parameters, and of the input last.
std::vector<at::Tensor> gradients(DenoiserNetwork& network, const Case& c) {
  const ForwardRandomness randomness{7, at::arange(3)};
  std::vector<int64_t> sizes = c.item();
  sizes.insert(sizes.begin(), 3);
  const at::Tensor x = normal_items(sizes).requires_grad_();
  std::vector<at::Tensor> wanted = network.parameters();
  wanted.push_back(x);
  const at::Tensor y = network.forward(x, at::full({3}, 0.4), {.randomness = &randomness});
  return torch::autograd::grad({y.square().sum()}, wanted, {}, c10::nullopt, false,
                               /*allow_unused=*/true);
}

TEST(Recompute, ChangesNoGradient) {
  for (const char* type : {"SongUNet", "DhariwalUNet", "PatchUNet"}) {
    Case c = small_case(type);
    const auto kept = gradients(*make(c), c);
    c.config["recompute"] = true;
    const auto again = gradients(*make(c), c);
    ASSERT_EQ(kept.size(), again.size());
    for (size_t i = 0; i < kept.size(); ++i) {
      ASSERT_EQ(kept[i].defined(), again[i].defined()) << type << " " << i;
      // Sums over uses of one tensor are taken in another order.
      if (kept[i].defined()) {
        EXPECT_LE((again[i] - kept[i]).abs().max().item<double>(),
                  1e-5 * kept[i].abs().max().item<double>())
            << type << " " << i;
      }
    }
  }
}

TEST(MakeDenoiserNetwork, NamesTheNearestType) {
  try {
    make_denoiser_network({{"type", "SongUnet"}}, {}, 0);
    FAIL() << "accepted";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("SongUNet"), std::string::npos) << error.what();
  }
  EXPECT_THROW(make_denoiser_network({{"channels", 3}}, {}, 0), UsageError);
  EXPECT_THROW(make_denoiser_network(json::array(), {}, 0), UsageError);
}

TEST(SongUNet, HasAsManyParametersAsTheReference) {
  const json cifar{{"type", "SongUNet"}, {"channel_mult", {2, 2, 2}}, {"augment_dim", 9}};
  EXPECT_EQ(num_parameters(*make_denoiser_network(cifar, {32, 3, 0}, 0)), 55'733'891);
  const json faces{{"type", "SongUNet"}, {"channel_mult", {1, 2, 2, 2}}, {"augment_dim", 9}};
  EXPECT_EQ(num_parameters(*make_denoiser_network(faces, {64, 3, 0}, 0)), 61'805'571);
}

json song(const json& options = json::object()) {
  json config{{"type", "SongUNet"},
              {"model_channels", 16},
              {"channel_mult", {1, 2, 2}},
              {"num_blocks", 1},
              {"attn_resolutions", {7}}};
  config.update(options);
  return config;
}

TEST(SongUNet, WorksWhereverTheResolutionHalvesEvenly) {
  torch::NoGradGuard no_grad;
  const at::Tensor noise = at::zeros({2});
  const auto network = make_denoiser_network(song(), {28, 1, 0}, 0);
  EXPECT_EQ(network->forward(normal_items({2, 1, 28, 28}), noise, {}).size(3), 28);
  EXPECT_TRUE(state_of(*network).count("enc.7x7_block0.qkv.weight"));
  EXPECT_THROW(make_denoiser_network(song(), {30, 1, 0}, 0), UsageError);
  EXPECT_THROW(make_denoiser_network(song(), {0, 2, 0}, 0), UsageError);
  EXPECT_THROW(make_denoiser_network(song({{"channel_mult", json::array()}}), {28, 1, 0}, 0),
               UsageError);
}

TEST(SongUNet, HasEveryEncoderAndDecoder) {
  torch::NoGradGuard no_grad;
  const at::Tensor x = normal_items({2, 1, 28, 28}), noise = at::zeros({2});
  for (const char* encoder : {"standard", "skip", "residual"}) {
    for (const char* decoder : {"standard", "skip"}) {
      const json config = song({{"encoder_type", encoder},
                                {"decoder_type", decoder},
                                {"resample_filter", {1, 3, 3, 1}}});
      const at::Tensor out = make_denoiser_network(config, {28, 1, 0}, 0)->forward(x, noise, {});
      EXPECT_EQ(out.sizes(), x.sizes()) << encoder << " " << decoder;
    }
  }
  EXPECT_THROW(make_denoiser_network(song({{"encoder_type", "other"}}), {28, 1, 0}, 0), UsageError);
}

TEST(SongUNet, WithZeroEmbeddingSeesOnlyTheImage) {
  torch::NoGradGuard no_grad;
  const at::Tensor x = normal_items({2, 1, 28, 28});
  const auto network = make_denoiser_network(song({{"embedding_type", "zero"}}), {28, 1, 4}, 0);
  perturb(*network, 0.05);
  EXPECT_TRUE(
      at::equal(network->forward(x, at::zeros({2}), {}), network->forward(x, at::ones({2}), {})));
}

TEST(SongUNet, AddsAugmentLabelsOnlyWhereGiven) {
  torch::NoGradGuard no_grad;
  const at::Tensor x = normal_items({2, 1, 28, 28}), noise = at::zeros({2});
  const auto network = make_denoiser_network(song({{"augment_dim", 9}}), {28, 1, 0}, 0);
  perturb(*network, 0.05);
  const at::Tensor none = network->forward(x, noise, {});
  EXPECT_TRUE(
      at::allclose(none, network->forward(x, noise, {.augment_labels = at::zeros({2, 9})})));
  EXPECT_FALSE(
      at::allclose(none, network->forward(x, noise, {.augment_labels = at::ones({2, 9})})));
}

TEST(SongUNet, DropsLabelsWhenTraining) {
  torch::NoGradGuard no_grad;
  const at::Tensor x = normal_items({1, 1, 28, 28}).expand({64, 1, 28, 28}),
                   noise = at::zeros({64});
  const auto network =
      make_denoiser_network(song({{"label_dropout", 0.5}, {"dropout", 0}}), {28, 1, 2}, 0);
  perturb(*network, 0.05);
  const at::Tensor labels = at::tensor({0.0f, 1.0f}).unsqueeze(0).repeat({64, 1});
  const ForwardRandomness randomness{.seed = 1, .image_numbers = at::arange(64)};
  const at::Tensor out =
      network->forward(x, noise, {.class_labels = labels, .randomness = &randomness});
  const at::Tensor with = network->forward(x.slice(0, 0, 1), noise.slice(0, 0, 1),
                                           {.class_labels = labels.slice(0, 0, 1)});
  const at::Tensor without = network->forward(x.slice(0, 0, 1), noise.slice(0, 0, 1), {});
  int64_t dropped = 0;
  for (int64_t i = 0; i < 64; ++i) {
    const double to_with = (out[i] - with[0]).norm().item<double>(),
                 to_without = (out[i] - without[0]).norm().item<double>();
    EXPECT_LT(std::min(to_with, to_without), 1e-3 * (with - without).norm().item<double>());
    dropped += to_without < to_with;
  }
  EXPECT_GT(dropped, 16);
  EXPECT_LT(dropped, 48);
}

TEST(SongUNet, GivesTheOutputChannelsAskedFor) {
  torch::NoGradGuard no_grad;
  const at::Tensor x = normal_items({1, 1, 28, 28}), noise = at::zeros({1});
  EXPECT_EQ(make_denoiser_network(song({{"out_channels", 2}}), {28, 1, 0}, 0)
                ->forward(x, noise, {})
                .size(1),
            2);
}

TEST(PatchUNet, RefusesPatchesThatDoNotTile) {
  EXPECT_THROW(make_denoiser_network({{"type", "PatchUNet"}, {"patch_size", 3}}, {28, 1, 0}, 0),
               UsageError);
}

TEST(Mlp, RefusesImages) {
  EXPECT_THROW(make_denoiser_network({{"type", "MLP"}}, {28, 1, 0}, 0), UsageError);
}

TEST(DefaultNetwork, CanBeBuiltForEveryShape) {
  for (const int64_t resolution : {0, 1, 7, 8, 16, 28, 30, 32, 48, 64, 66, 128}) {
    const Case c{default_denoiser_network({resolution, 3, 0}), {resolution, 3, 0}};
    const at::Tensor x = inputs(c, 1);
    EXPECT_EQ(make(c)->forward(x, at::zeros({1}), {}).sizes(), x.sizes()) << resolution;
  }
}

}  // namespace
}  // namespace equipoise::nets
