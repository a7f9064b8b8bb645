#include "nets/adm_trunk.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/error.h"

namespace equipoise::nets {
namespace {

void check_plan(const AdmTrunkPlan& plan, const std::string& where) {
  if (plan.level_channels.empty())
    throw UsageError({.where = where,
                      .what = "channel_mult names no level",
                      .got = "[]",
                      .expected = "one multiplier a level",
                      .hint = ""});
  const int64_t divisor = int64_t{1} << (plan.level_channels.size() - 1);
  if (plan.resolution % divisor != 0)
    throw UsageError(
        {.where = where,
         .what = "the resolution cannot be halved at every level",
         .got = fmt::format("{0}x{0} with {1} levels", plan.resolution, plan.level_channels.size()),
         .expected = fmt::format("a multiple of {}", divisor),
         .hint = ""});
}

}  // namespace

class AdmTrunk::Builder {
 public:
  Builder(ParameterInit& init, const AdmTrunkPlan& plan)
      : plan_(plan),
        init_(init),
        channels_(plan.level_channels.front()),
        resolution_(plan.resolution) {}

  int64_t channels() const { return channels_; }
  int64_t resolution() const { return resolution_; }

  std::shared_ptr<AdmStage> level_stage(int64_t out_channels, int64_t skip_channels = 0) {
    auto stage = std::make_shared<AdmStage>();
    channels_ += skip_channels;
    add_block(*stage, out_channels);
    const auto& attended = plan_.attention_resolutions;
    if (std::find(attended.begin(), attended.end(), resolution_) != attended.end())
      add_attention(*stage);
    return stage;
  }

  std::shared_ptr<AdmStage> middle() {
    auto stage = std::make_shared<AdmStage>();
    add_block(*stage, channels_);
    add_attention(*stage);
    add_block(*stage, channels_);
    return stage;
  }

  std::shared_ptr<AdmStage> halving_stage() {
    auto stage = std::make_shared<AdmStage>();
    if (plan_.resample_in_blocks)
      add_block(*stage, channels_, Resample::kDown);
    else
      stage->add(std::make_shared<AdmDownConv>(init_, channels_));
    resolution_ /= 2;
    return stage;
  }

  void add_doubling(AdmStage& stage) {
    if (plan_.resample_in_blocks)
      add_block(stage, channels_, Resample::kUp);
    else
      stage.add(std::make_shared<AdmUpConv>(init_, channels_));
    resolution_ *= 2;
  }

 private:
  void add_block(AdmStage& stage, int64_t out_channels, Resample resample = Resample::kNone) {
    const AdmBlockShape shape{channels_, out_channels, resample};
    stage.add(std::make_shared<AdmResBlock>(init_, shape, plan_.style, num_blocks_made_++));
    channels_ = out_channels;
  }
  void add_attention(AdmStage& stage) {
    stage.add(std::make_shared<AdmAttention>(init_, channels_, plan_.heads));
  }

  const AdmTrunkPlan& plan_;
  ParameterInit& init_;
  int64_t channels_, resolution_;
  uint32_t num_blocks_made_ = 0;
};

AdmTrunk::AdmTrunk(torch::nn::Module& parent, ParameterInit& init, const AdmTrunkPlan& plan,
                   const std::string& where) {
  check_plan(plan, where);
  Builder builder(init, plan);
  const auto num_levels = static_cast<int64_t>(plan.level_channels.size());

  const auto inputs = add_group(parent, "input_blocks");
  first_ = add_group(*inputs, "0")
               ->register_module(
                   "0", std::make_shared<Conv2d>(init, plan.in_channels, builder.channels(),
                                                 Conv2dOptions{.init = pytorch_init()}));
  std::vector<int64_t> skip_channels{builder.channels()};
  const auto add_input = [&](const std::shared_ptr<AdmStage>& stage) {
    encoder_.push_back(inputs->register_module(std::to_string(encoder_.size() + 1), stage));
    skip_channels.push_back(builder.channels());
  };
  for (int64_t level = 0; level < num_levels; ++level) {
    if (level > 0) add_input(builder.halving_stage());
    for (int64_t i = 0; i < plan.num_res_blocks; ++i)
      add_input(builder.level_stage(plan.level_channels[level]));
  }
  middle_ = parent.register_module("middle_block", builder.middle());

  if (plan.has_decoder) {
    const auto outputs = add_group(parent, "output_blocks");
    for (int64_t level = num_levels - 1; level >= 0; --level) {
      for (int64_t i = 0; i <= plan.num_res_blocks; ++i) {
        const auto stage = builder.level_stage(plan.level_channels[level], skip_channels.back());
        skip_channels.pop_back();
        if (level > 0 && i == plan.num_res_blocks) builder.add_doubling(*stage);
        decoder_.push_back(outputs->register_module(std::to_string(decoder_.size()), stage));
      }
    }
  }
  channels_ = builder.channels();
  resolution_ = builder.resolution();
}

at::Tensor AdmTrunk::forward(const at::Tensor& x, const at::Tensor& emb,
                             const ForwardRandomness* randomness) const {
  at::Tensor hidden = first_->forward(x);
  std::vector<at::Tensor> skips;
  const auto keep = [&] {
    if (!decoder_.empty()) skips.push_back(hidden);
  };
  keep();
  for (const auto& stage : encoder_) {
    hidden = stage->forward(hidden, emb, randomness);
    keep();
  }
  hidden = middle_->forward(hidden, emb, randomness);
  for (const auto& stage : decoder_) {
    hidden = stage->forward(at::cat({hidden, skips.back()}, /*dim=*/1), emb, randomness);
    skips.pop_back();
  }
  return hidden;
}

}  // namespace equipoise::nets
