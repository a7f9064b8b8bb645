#include "nets/adm_unet.h"

#include <functional>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/normal_fixture.h"
#include "core/random.h"
#include "nets/state.h"

namespace equipoise::nets {
namespace {

const DataShape kShape{16, 3, 5};

// Two levels of different channels, attention at the lower one.
AdmUNetConfig small() {
  return {.model_channels = 32,
          .channel_mult = {1, 2},
          .num_res_blocks = 1,
          .attention_resolutions = {8},
          .num_head_channels = 16,
          .dropout = 0};
}

AdmUNetConfig small_with(const std::function<void(AdmUNetConfig&)>& change) {
  AdmUNetConfig config = small();
  change(config);
  return config;
}

// Output layers start at zero; a test of the whole network needs values that matter.
std::shared_ptr<AdmUNet> make(const AdmUNetConfig& config, const DataShape& shape = kShape) {
  torch::NoGradGuard no_grad;
  auto network = std::make_shared<AdmUNet>(config, shape, 0);
  uint32_t part = 100;
  for (at::Tensor& parameter : network->parameters())
    parameter.add_(random_normal(2, Purpose::kNoise, at::arange(1), parameter.sizes(), part++)[0] *
                   0.05);
  return network;
}

at::Tensor predict(AdmUNet& network, const at::Tensor& labels = {}) {
  torch::NoGradGuard no_grad;
  return network.forward(normal_items({2, 3, 16, 16}), at::tensor({3.0f, 700.0f}),
                         {.class_labels = labels});
}

TEST(AdmUNet, NamesItsTensorsAsItsReleaseDoes) {
  const NamedTensors blocks = state_of(*make(small()));
  for (const char* name :
       {"time_embed.0.weight", "time_embed.2.bias", "label_emb.weight", "input_blocks.0.0.weight",
        "input_blocks.1.0.in_layers.0.weight", "input_blocks.1.0.emb_layers.1.weight",
        "input_blocks.2.0.out_layers.3.bias", "input_blocks.3.0.skip_connection.weight",
        "input_blocks.3.1.qkv.weight", "middle_block.0.in_layers.2.weight",
        "middle_block.1.proj_out.bias", "middle_block.2.out_layers.0.weight",
        "output_blocks.1.1.norm.weight", "output_blocks.1.2.in_layers.2.weight",
        "output_blocks.3.0.skip_connection.bias", "out.0.weight", "out.2.bias"})
    EXPECT_TRUE(blocks.count(name)) << name;
  const NamedTensors convs =
      state_of(*make(small_with([](AdmUNetConfig& c) { c.resblock_updown = false; })));
  EXPECT_TRUE(convs.count("input_blocks.2.0.op.weight"));
  EXPECT_TRUE(convs.count("output_blocks.1.2.conv.weight"));
}

TEST(AdmUNet, GivesTwiceTheChannelsWhenItLearnsTheVariance) {
  const auto plain = make(small()),
             learned = make(small_with([](AdmUNetConfig&c) { c.learn_sigma = true; }));
  EXPECT_EQ(predict(*plain).sizes(), at::IntArrayRef({2, 3, 16, 16}));
  EXPECT_EQ(predict(*learned).sizes(), at::IntArrayRef({2, 6, 16, 16}));
}

// The same weights mean something else in the other order.
TEST(AdmUNet, DistinguishesTheOrdersOfAttention) {
  const auto split_first = make(small()),
             heads_first =
                 make(small_with([](AdmUNetConfig&c) { c.use_new_attention_order = false; }));
  load_state(*heads_first, state_of(*split_first), "test");
  EXPECT_FALSE(at::allclose(predict(*split_first), predict(*heads_first), 1e-4, 1e-4));
}

// With one head there is nothing to order.
TEST(AdmUNet, HasEqualOrdersWithOneHead) {
  const auto one_head = [](bool use_new_order) {
    return small_with([=](AdmUNetConfig& c) {
      c.num_heads = 1;
      c.num_head_channels = 0;
      c.use_new_attention_order = use_new_order;
    });
  };
  EXPECT_TRUE(at::allclose(predict(*make(one_head(true))), predict(*make(one_head(false)))));
}

TEST(AdmUNet, CountsHeadsByNumberOrByWidth) {
  const auto by_number = small_with([](AdmUNetConfig& c) {
    c.num_heads = 4;
    c.num_head_channels = 0;
  });
  EXPECT_TRUE(at::equal(predict(*make(small())), predict(*make(by_number))));
}

TEST(AdmUNet, WeighsTheRowsOfItsLabelTable) {
  const auto network = make(small());
  const at::Tensor eye = at::eye(5), first = eye.slice(0, 0, 1), third = eye.slice(0, 2, 3);
  EXPECT_FALSE(at::allclose(predict(*network, first), predict(*network, third)));
  torch::NoGradGuard no_grad;
  const at::Tensor table = network->named_parameters()["label_emb.weight"];
  table[0].copy_(table[2]);
  EXPECT_TRUE(at::allclose(predict(*network, first), predict(*network, third)));
  table.zero_();
  EXPECT_TRUE(at::allclose(predict(*network, first), predict(*network)));
}

TEST(AdmUNet, DropsChannelsThatAFractionLeavesOver) {
  const auto network = make(small_with([](AdmUNetConfig& c) {
                              c.channel_mult = {1, 2.02};
                            }),
                            {16, 3, 0});
  EXPECT_EQ(network->named_parameters()["middle_block.0.in_layers.0.weight"].numel(), 64);
}

TEST(AdmUNet, RefusesSizesThatDoNotFit) {
  EXPECT_THROW(make(small(), {15, 3, 0}), UsageError);
  EXPECT_THROW(make(small(), {0, 3, 0}), UsageError);
  EXPECT_THROW(make(small_with([](AdmUNetConfig& c) { c.channel_mult = {}; })), UsageError);
  EXPECT_THROW(make(small_with([](AdmUNetConfig& c) { c.model_channels = 40; })), UsageError);
  EXPECT_THROW(make(small_with([](AdmUNetConfig& c) { c.num_head_channels = 24; })), UsageError);
  EXPECT_THROW(make(small_with([](AdmUNetConfig& c) {
                 c.num_head_channels = 0;
                 c.num_heads = 5;
               })),
               UsageError);
}

}  // namespace
}  // namespace equipoise::nets
