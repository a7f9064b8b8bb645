// Imported ADM U-Nets give the numbers of tests/golden/adm_unet_golden.py, a plain PyTorch network
// in float64.
#include <fstream>

#include <gtest/gtest.h>

#include "core/libtorch.h"
#include "diffusion/adm_denoiser.h"
#include "diffusion/golden_weights.h"
#include "diffusion/import_adm.h"
#include "diffusion/model_file.h"
#include "io/json_lines.h"
#include "io/safetensors.h"
#include "io/scratch_folder.h"

namespace equipoise::diffusion {
namespace {

using nlohmann::json;

// Image by image: one at a high noise level would hide the others in a sum over all.
void expect_agrees(const at::Tensor& actual, const at::Tensor& expected, const std::string& what) {
  ASSERT_EQ(actual.sizes(), expected.sizes()) << what;
  for (int64_t i = 0; i < actual.size(0); ++i) {
    const at::Tensor truth = expected[i].to(at::kDouble),
                     difference = actual[i].detach().to(at::kDouble) - truth;
    const double in_norm = difference.norm().item<double>() / truth.norm().item<double>(),
                 at_most = difference.abs().max().item<double>() / truth.abs().max().item<double>();
    EXPECT_LT(in_norm, 3e-5) << what << " of image " << i;
    EXPECT_LT(at_most, 3e-5) << what << " of image " << i;
  }
}

class GoldenAdm : public testing::TestWithParam<std::string> {
 protected:
  GoldenAdm() : file_(io::read_safetensors(kFile)) {}

  json told(const std::string& name) const {
    return io::parse_json(file_.metadata.at(GetParam() + "." + name), name);
  }
  const at::Tensor& tensor(const std::string& name) const {
    return file_.tensors.at(GetParam() + "." + name);
  }
  bool has(const std::string& name) const {
    return file_.tensors.count(GetParam() + "." + name) > 0;
  }
  Conditions conditions() const {
    return {.class_labels = has("labels") ? tensor("labels") : at::Tensor()};
  }

  // Through the import and a model file, so that they are tested on the same networks.
  std::shared_ptr<PreconditionedDenoiser> imported(const json& flags) const {
    io::write_safetensors(scratch_ / "weights.safetensors", golden_weights(told("shapes")));
    std::ofstream(scratch_ / "flags.json") << flags;
    import_adm(scratch_ / "weights.safetensors", {.config = scratch_ / "flags.json"},
               scratch_ / "model.safetensors");
    return load_model(scratch_ / "model.safetensors").denoiser;
  }

  const std::filesystem::path kFile =
      std::filesystem::path(EQUIPOISE_SOURCE_DIR) / "tests/golden/adm_unet.safetensors";
  io::ScratchFolder scratch_;
  io::SafetensorsFile file_;
};

TEST_P(GoldenAdm, DenoisesAsPlainPyTorch) {
  torch::NoGradGuard no_grad;
  const at::Tensor x = tensor("x"), sigma = tensor("sigma");
  const at::Tensor denoised = imported(told("flags"))->denoise(x, sigma, conditions());
  expect_agrees(denoised, tensor("denoised"), "D");
  expect_agrees((x - denoised) / sigma.reshape({-1, 1, 1, 1}), tensor("noise"), "noise");
}

TEST_P(GoldenAdm, HasTheGradientOfPlainPyTorch) {
  const at::Tensor x = tensor("x").clone().requires_grad_(true);
  const at::Tensor denoised = imported(told("flags"))->denoise(x, tensor("sigma"), conditions());
  const at::Tensor gradient = torch::autograd::grad({denoised.square().sum()}, {x})[0];
  expect_agrees(gradient, tensor("grad_x"), "gradient");
}

TEST_P(GoldenAdm, LearnsTheVarianceOfPlainPyTorch) {
  torch::NoGradGuard no_grad;
  const auto denoiser = imported(told("flags"));
  const auto* learned = dynamic_cast<const LearnedVarianceDenoiser*>(denoiser.get());
  ASSERT_EQ(learned != nullptr, has("variance_share"));
  if (learned == nullptr) return;
  const auto [denoised, share] =
      learned->denoise_with_variance(tensor("x"), tensor("sigma"), conditions());
  expect_agrees(denoised, tensor("denoised"), "D");
  expect_agrees(share, tensor("variance_share"), "share");
}

// What the tensors do not tell must come from the flags: each of these loads, and is wrong.
TEST_P(GoldenAdm, NeedsTheRightFlags) {
  torch::NoGradGuard no_grad;
  const json flags = told("flags");
  const bool is_new_order = flags.at("use_new_attention_order");
  const json wrong_flags{
      {"use_new_attention_order", !is_new_order},
      {"num_head_channels", 32},
      {"noise_schedule", flags.at("noise_schedule") == "linear" ? "cosine" : "linear"}};
  const at::Tensor expected = tensor("denoised");
  for (const auto& [name, wrong] : wrong_flags.items()) {
    json changed = flags;
    changed[name] = wrong;
    const at::Tensor denoised =
        imported(changed)->denoise(tensor("x"), tensor("sigma"), conditions());
    EXPECT_GT((denoised - expected).norm().item<double>(), 1e-3 * expected.norm().item<double>())
        << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, GoldenAdm,
                         testing::Values("legacy_blocks", "legacy_convs", "new_blocks",
                                         "new_convs"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace equipoise::diffusion
