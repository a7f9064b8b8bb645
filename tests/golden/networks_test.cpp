// Our networks and samplers give the reference implementations' numbers when loaded with their
// weights.
#include <algorithm>
#include <filesystem>
#include <string>
#include <tuple>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/libtorch.h"
#include "diffusion/import_edm.h"
#include "diffusion/model_file.h"
#include "io/json_lines.h"
#include "io/safetensors.h"
#include "io/scratch_folder.h"
#include "nets/adm_discriminator.h"
#include "nets/precision.h"
#include "nets/state.h"
#include "samplers/sampler.h"

namespace equipoise {
namespace {

using nlohmann::json;

std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(EQUIPOISE_SOURCE_DIR) / "tests/golden" / (name + ".safetensors");
}

void expect_agrees(const at::Tensor& actual, const at::Tensor& expected, const std::string& what) {
  ASSERT_EQ(actual.sizes(), expected.sizes()) << what;
  const at::Tensor truth = expected.to(at::kDouble),
                   difference = actual.detach().to(at::kDouble) - truth;
  const double in_norm = difference.norm().item<double>() / truth.norm().item<double>(),
               at_most = difference.abs().max().item<double>() / truth.abs().max().item<double>();
  EXPECT_LT(in_norm, 1e-4) << what;
  EXPECT_LT(at_most, 1e-4) << what;
  // For --gtest_output; the page on performance tells the largest.
  testing::Test::RecordProperty(what, fmt::format("{:.2g}", std::max(in_norm, at_most)));
}

/// A file of golden numbers, and what networks compute in.
using FileAndPrecision = std::tuple<std::string, nets::Precision>;

std::string name_of(const testing::TestParamInfo<FileAndPrecision>& info) {
  const auto& [file, precision] = info.param;
  return file + (precision == nets::Precision::kFp32 ? "_fp32" : "_fp32_fast");
}

class GoldenDenoiser : public testing::TestWithParam<FileAndPrecision> {
 protected:
  // Through the import, so that it is tested on the same files.
  GoldenDenoiser() : file_(io::read_safetensors(golden(std::get<0>(GetParam())))) {
    nets::set_precision(std::get<1>(GetParam()));
    const io::ScratchFolder scratch;
    diffusion::import_edm(golden(std::get<0>(GetParam())), {}, scratch / "model.safetensors");
    denoiser_ = diffusion::load_model(scratch / "model.safetensors").denoiser;
  }
  ~GoldenDenoiser() override { nets::set_precision(nets::Precision::kFp32Fast); }

  const at::Tensor& tensor(const std::string& name) const { return file_.tensors.at(name); }
  at::Tensor optional(const std::string& name) const {
    const auto found = file_.tensors.find(name);
    return found == file_.tensors.end() ? at::Tensor() : found->second;
  }
  diffusion::Conditions conditions() const {
    return {.class_labels = optional("input.labels"),
            .augment_labels = optional("input.augment_labels")};
  }
  at::Tensor loss_per_image() const {
    const at::Tensor clean = tensor("input.loss_y"), sigma = tensor("input.loss_sigma");
    const at::Tensor noisy = clean + tensor("input.loss_noise");
    const at::Tensor weight = (sigma.square() + 0.25) / (sigma * 0.5).square();
    const at::Tensor error = denoiser_->denoise(noisy, sigma, conditions()) - clean;
    return error.square().sum({1, 2, 3}) * weight;
  }

  io::SafetensorsFile file_;
  std::shared_ptr<diffusion::PreconditionedDenoiser> denoiser_;
};

TEST_P(GoldenDenoiser, DenoisesAsTheReference) {
  torch::NoGradGuard no_grad;
  const at::Tensor denoised =
      denoiser_->denoise(tensor("input.x"), tensor("input.sigma"), conditions());
  expect_agrees(denoised, tensor("output.denoised"), "denoised");
}

TEST_P(GoldenDenoiser, HasTheReferencesLossAndGradients) {
  const at::Tensor loss = loss_per_image();
  expect_agrees(loss, tensor("output.loss_per_image"), "loss");
  (loss.sum() / loss.size(0)).backward();
  at::Tensor sum_of_squares = at::zeros({1}, at::kDouble);
  for (const at::Tensor& parameter : denoiser_->parameters())
    if (parameter.grad().defined())
      sum_of_squares += parameter.grad().to(at::kDouble).square().sum();
  expect_agrees(sum_of_squares.sqrt(), tensor("output.grad_norm"), "gradient norm");
  const at::Tensor first_conv = denoiser_->named_parameters()[file_.metadata.at("first_conv")];
  expect_agrees(first_conv.grad(), tensor("output.grad_of_first_conv"),
                "gradient of the first convolution");
}

TEST_P(GoldenDenoiser, SamplesAsTheReference) {
  const json told = io::parse_json(file_.metadata.at("sampler"), "sampler");
  const json options{{"steps", told.at("num_steps")},
                     {"sigma_min", told.at("sigma_min")},
                     {"sigma_max", told.at("sigma_max")},
                     {"rho", told.at("rho")}};
  const at::Tensor latents = tensor("input.latents").to(at::kDouble);
  const at::Tensor labels = optional("input.labels");
  samplers::SamplingInput input;
  input.latents = latents;
  input.seeds = at::arange(latents.size(0));
  if (labels.defined()) input.conditions.class_labels = labels.slice(0, 0, latents.size(0));
  const auto heun = samplers::SamplerRegistry::instance().find("heun").make.make(options);
  expect_agrees(heun->sample(*denoiser_, input), tensor("output.heun_samples"), "samples");
}

INSTANTIATE_TEST_SUITE_P(
    Files, GoldenDenoiser,
    testing::Combine(testing::Values("ddpmpp_vp", "ddpmpp_edm", "ddpmpp_edm_cond_aug", "ncsnpp_ve",
                                     "adm_edm_cond"),
                     testing::Values(nets::Precision::kFp32, nets::Precision::kFp32Fast)),
    name_of);

// The reference's option names, without those that say what our encoder always does.
nets::EncoderUNetConfig encoder_config(const std::string& text) {
  const json told = io::parse_json(text, "encoder");
  return {.model_channels = told.at("model_channels"),
          .channel_mult = told.at("channel_mult"),
          .num_res_blocks = told.at("num_res_blocks"),
          .attention_resolutions = told.at("attention_resolutions"),
          .num_head_channels = told.at("num_head_channels"),
          .out_channels = told.at("out_channels")};
}

TEST(GoldenDiscriminator, JudgesAsTheReference) {
  io::SafetensorsFile file = io::read_safetensors(golden("discriminator"));
  nets::AdmDiscriminator network({.extractor = encoder_config(file.metadata.at("extractor")),
                                  .head = encoder_config(file.metadata.at("head"))},
                                 {.resolution = 16, .channels = 3}, 0);
  nets::NamedTensors weights;
  for (const auto& [name, tensor] : file.tensors)
    if (name.rfind("extractor.", 0) == 0 || name.rfind("head.", 0) == 0) weights[name] = tensor;
  nets::load_state(network, weights, "discriminator.safetensors");

  const at::Tensor z = file.tensors.at("input.x").clone().requires_grad_(true),
                   t = file.tensors.at("input.t");
  expect_agrees(network.extractor().features(z, t), file.tensors.at("output.features"), "features");
  expect_agrees(network.extractor().forward(z, t), file.tensors.at("output.class_logits"),
                "class logits");
  const at::Tensor log_ratio = network.logit(z, t);
  expect_agrees(at::sigmoid(log_ratio), file.tensors.at("output.probability"), "probability");
  expect_agrees(log_ratio, file.tensors.at("output.log_ratio"), "log ratio");
  const at::Tensor gradient = torch::autograd::grad({log_ratio.sum()}, {z})[0];
  expect_agrees(gradient, file.tensors.at("output.grad_log_ratio"), "gradient of the log ratio");
}

}  // namespace
}  // namespace equipoise
