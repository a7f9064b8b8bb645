#include "nets/discriminator.h"

#include <cmath>

#include <gtest/gtest.h>
#include <torch/optim/adam.h>

#include "core/error.h"
#include "core/normal_fixture.h"
#include "io/safetensors.h"
#include "io/scratch_folder.h"
#include "nets/adm_discriminator.h"
#include "nets/adm_encoder.h"
#include "nets/network_fixture.h"
#include "nets/state.h"

namespace equipoise::nets {
namespace {

using nlohmann::json;

struct Case {
  json config;
  DataShape shape;
  at::Tensor inputs(int64_t batch) const {
    if (shape.resolution == 0) return normal_items({batch, shape.channels});
    return normal_items({batch, shape.channels, shape.resolution, shape.resolution});
  }
};

Case small_case(const std::string& type) {
  if (type == "MLP") return {{{"type", type}, {"hidden", 16}}, {0, 2, 4}};
  if (type == "CNN")
    return {{{"type", type}, {"channels", {8, 16}}, {"emb_channels", 16}}, {14, 1, 4}};
  const json part{{"model_channels", 32}, {"num_res_blocks", 1}, {"num_head_channels", 16}};
  json extractor = part, head = part;
  extractor["channel_mult"] = {1, 2};
  extractor["attention_resolutions"] = {4};
  return {{{"type", type}, {"extractor", extractor}, {"head", head}}, {8, 1, 4}};
}

class EveryDiscriminator : public testing::TestWithParam<std::string> {
 protected:
  std::shared_ptr<DiscriminatorNetwork> make(const json& more = json::object()) const {
    json config = case_.config;
    config.update(more);
    auto network = make_discriminator_network(config, case_.shape, 0);
    perturb(*network, 0.1);
    return network;
  }

  Case case_ = small_case(GetParam());
  at::Tensor tau_ = at::tensor({0.0f, 0.2f, 0.6f, 1.0f});
};

TEST_P(EveryDiscriminator, GivesOneLogitAnItem) {
  const at::Tensor logits = make()->logit(case_.inputs(4), tau_);
  EXPECT_EQ(logits.sizes(), at::IntArrayRef({4}));
  EXPECT_EQ(logits.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::isfinite(logits).all().item<bool>());
}

TEST_P(EveryDiscriminator, HasAnOutputALabelAsAClassifier) {
  EXPECT_EQ(make({{"outputs", 7}})->logits(case_.inputs(4), tau_).sizes(), at::IntArrayRef({4, 7}));
}

// Before training the cross-entropy of L labels is near ln L.
TEST_P(EveryDiscriminator, KnowsNothingBeforeItIsTrained) {
  constexpr int64_t kNumLabels = 100, kCount = 200;
  json config = case_.config;
  config["outputs"] = kNumLabels;
  const auto network = make_discriminator_network(config, case_.shape, 0);
  const at::NoGradGuard no_grad;
  const at::Tensor tau = at::arange(kCount).to(at::kFloat) / kCount;
  const at::Tensor logits = network->logits(case_.inputs(kCount), tau);
  const at::Tensor labels = at::arange(kCount).remainder(kNumLabels);
  const double loss = at::cross_entropy_loss(logits, labels).item<double>();
  EXPECT_NEAR(loss, std::log(kNumLabels), 0.25);
}

TEST_P(EveryDiscriminator, JudgesEachItemAlone) {
  const auto network = make();
  const at::Tensor z = case_.inputs(4), whole = network->logit(z, tau_);
  for (int64_t i = 0; i < 4; ++i) {
    const at::Tensor alone = network->logit(z.slice(0, i, i + 1), tau_.slice(0, i, i + 1));
    EXPECT_NEAR(alone.item<double>(), whole[i].item<double>(), 1e-4);
  }
}

TEST_P(EveryDiscriminator, LooksAtTheTime) {
  const auto network = make();
  const at::Tensor z = case_.inputs(4);
  EXPECT_FALSE(at::allclose(network->logit(z, tau_), network->logit(z, tau_ + 0.1)));
}

TEST_P(EveryDiscriminator, HasAGradientWithRespectToItsInput) {
  const auto network = make();
  const at::Tensor z = case_.inputs(4).requires_grad_(true);
  const at::Tensor gradient = torch::autograd::grad({network->logit(z, tau_).sum()}, {z})[0];
  EXPECT_EQ(gradient.sizes(), z.sizes());
  EXPECT_GT(gradient.abs().max().item<double>(), 0);
}

TEST_P(EveryDiscriminator, LooksAtTheLabelOnlyWhenConditional) {
  const at::Tensor z = case_.inputs(4), first = at::eye(4), second = first.flip({1});
  const auto plain = make(), conditional = make({{"condition", true}});
  EXPECT_TRUE(at::equal(plain->logit(z, tau_, first), plain->logit(z, tau_, second)));
  EXPECT_FALSE(
      at::allclose(conditional->logit(z, tau_, first), conditional->logit(z, tau_, second)));
  EXPECT_THROW(conditional->logit(z, tau_), UsageError);
  case_.shape.label_dim = 0;
  EXPECT_THROW(make({{"condition", true}}), UsageError);
}

TEST_P(EveryDiscriminator, LearnsToTellTwoMeansApart) {
  const auto network = make_discriminator_network(case_.config, case_.shape, 0);
  torch::optim::Adam adam(network->trainable_parameters(), torch::optim::AdamOptions(1e-2));
  const at::Tensor labels = at::arange(32).remainder(2).to(at::kFloat), tau = at::full({32}, 0.3);
  const auto batch = [&](uint32_t part) {
    const at::Tensor noise = normal_items(case_.inputs(32).sizes(), part);
    std::vector<int64_t> per_item(noise.dim(), 1);
    per_item[0] = 32;
    return noise + (labels * 2 - 1).reshape(per_item);
  };
  for (uint32_t step = 0; step < 60; ++step) {
    adam.zero_grad();
    at::binary_cross_entropy_with_logits(network->logit(batch(step), tau), labels).backward();
    adam.step();
  }
  const at::Tensor correct = network->logit(batch(1000), tau).gt(0).eq(labels.gt(0.5));
  EXPECT_GT(correct.to(at::kFloat).mean().item<double>(), 0.85);
}

INSTANTIATE_TEST_SUITE_P(Discriminators, EveryDiscriminator,
                         testing::ValuesIn(DiscriminatorRegistry::instance().names()),
                         [](const auto& info) { return info.param; });

// Published sizes; "trunk" leaves the pooling head out.
int64_t parameters_of(EncoderUNetConfig config, int64_t resolution, int64_t in_channels,
                      bool is_trunk) {
  if (is_trunk) config.out_channels = 0;
  ParameterInit init(0);
  return num_parameters(EncoderUNet(init, config, resolution, in_channels, "test"));
}

TEST(EncoderUNet, HasAsManyParametersAsPublished) {
  const EncoderUNetConfig small{.channel_mult = {1, 2, 4}}, large{.channel_mult = {1, 2, 3, 4}};
  EXPECT_EQ(parameters_of(small, 32, 3, true), 46'435'840);
  EXPECT_EQ(parameters_of(small, 32, 3, false), 47'771'112);
  EXPECT_EQ(parameters_of(large, 64, 3, true), 64'103'296);
  EXPECT_EQ(parameters_of(large, 64, 3, false), 65'438'568);
}

TEST(EncoderUNet, HasAsManyParametersAsThePublishedHeads) {
  EncoderUNetConfig head = AdmDiscriminatorConfig{}.head;
  EXPECT_EQ(parameters_of(head, 8, 512, true), 2'825'600);
  EXPECT_EQ(parameters_of(head, 8, 512, false), 2'883'841);
  head.num_label_rows = 1000;
  EXPECT_EQ(parameters_of(head, 8, 512, false), 3'395'841);
  head.num_label_rows = 0;
  head.num_res_blocks = 4;
  EXPECT_EQ(parameters_of(head, 8, 512, true), 3'812'224);
  EXPECT_EQ(parameters_of(head, 8, 512, false), 3'870'465);
}

// The head of minority classifiers, with 100 bins.
TEST(EncoderUNet, HasAsManyParametersAsTheMinorityClassifier) {
  EncoderUNetConfig head = AdmDiscriminatorConfig{}.head;
  head.out_channels = 100;
  EXPECT_EQ(parameters_of(head, 8, 512, false), 2'896'612);
}

TEST(EncoderUNet, RefusesSizesThatDoNotFit) {
  EXPECT_THROW(parameters_of({.channel_mult = {1, 2, 4}}, 30, 3, true), UsageError);
  EXPECT_THROW(parameters_of({.model_channels = 32, .channel_mult = {1}, .num_head_channels = 64},
                             8, 3, true),
               UsageError);
  EXPECT_THROW(parameters_of({.channel_mult = {}}, 8, 3, true), UsageError);
}

TEST(AdmDiscriminator, TrainsTheHeadAloneWhenTheExtractorIsFrozen) {
  const Case c = small_case("ADM");
  json config = c.config;
  config["freeze_extractor"] = true;
  const auto network = make_discriminator_network(config, c.shape, 0);
  auto& adm = dynamic_cast<AdmDiscriminator&>(*network);
  EXPECT_EQ(network->trainable_parameters().size(), adm.head().parameters().size());
  const at::Tensor z = c.inputs(2).requires_grad_(true);
  perturb(adm.head(), 0.1);
  network->logit(z, at::full({2}, 0.5)).sum().backward();
  EXPECT_GT(z.grad().abs().max().item<double>(), 0);
  for (const at::Tensor& parameter : adm.extractor().parameters())
    EXPECT_FALSE(parameter.grad().defined());
}

TEST(AdmDiscriminator, TakesAPretrainedEncoderWithoutItsHead) {
  const Case c = small_case("ADM");
  const auto first = make_discriminator_network(c.config, c.shape, 1),
             second = make_discriminator_network(c.config, c.shape, 2);
  const auto extractor_of = [](DiscriminatorNetwork& network) -> EncoderUNet& {
    return dynamic_cast<AdmDiscriminator&>(network).extractor();
  };
  NamedTensors encoder = state_of(extractor_of(*first));
  encoder["out.0.weight"] = at::ones({3});
  const io::ScratchFolder folder;
  const auto file = folder.path() / "encoder.safetensors";
  io::write_safetensors(file, encoder);
  load_extractor(*second, file);
  const at::Tensor z = c.inputs(2), tau = at::full({2}, 0.5);
  EXPECT_TRUE(
      at::equal(extractor_of(*first).features(z, tau), extractor_of(*second).features(z, tau)));

  encoder.erase(encoder.begin());
  io::write_safetensors(file, encoder);
  EXPECT_THROW(load_extractor(*second, file), DataError);
  const auto cnn = make_discriminator_network({{"type", "CNN"}}, c.shape, 0);
  EXPECT_THROW(load_extractor(*cnn, file), UsageError);
}

}  // namespace
}  // namespace equipoise::nets
