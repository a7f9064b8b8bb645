// Published weights, brought in and sampled from the command line, give the images that their own
// code gave.
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "diffusion/golden_weights.h"
#include "io/json_lines.h"
#include "io/npy.h"
#include "io/safetensors.h"
#include "io/scratch_folder.h"
#include "program.h"

namespace equipoise::e2e {
namespace {

struct ImportedModel : testing::TestWithParam<const char*> {
  io::ScratchFolder scratch;
  const std::string weights =
      std::string(EQUIPOISE_SOURCE_DIR "/tests/golden/") + GetParam() + ".safetensors";
  const std::string model = scratch / "model.safetensors", latents = scratch / "latents.npy",
                    out = scratch / "out.npz";
};

TEST_P(ImportedModel, DrawsWhatItsOwnCodeDrew) {
  const auto golden = io::read_safetensors(weights).tensors;
  const at::Tensor expected = golden.at("output.heun_samples");
  io::write_npy(latents, golden.at("input.latents"));
  const Outcome imported =
      equipoise({"import", "edm", weights, "--prefix", "weights.", "--out", model});
  ASSERT_EQ(imported.code, 0) << imported.err;

  Arguments sample{"sample",      "--model", model,         "--num", "2",       "--latents",
                   latents,       "--float", "--out",       out,     "--steps", "9",
                   "--sigma-min", "0.03",    "--sigma-max", "50",    "--rho",   "7"};
  if (golden.contains("input.labels")) {
    const at::Tensor classes = golden.at("input.labels").argmax(1);
    sample.insert(sample.end(), {"--class", fmt::format("{},{}", classes[0].item<int64_t>(),
                                                        classes[1].item<int64_t>())});
  }
  const Outcome sampled = equipoise(sample);
  ASSERT_EQ(sampled.code, 0) << sampled.err;

  const at::Tensor samples = io::read_npz(out).at("arr_0").to(at::kDouble);
  ASSERT_EQ(samples.sizes(), expected.sizes());
  EXPECT_LT((samples - expected).norm().item<double>(), 1e-4 * expected.norm().item<double>());
}

INSTANTIATE_TEST_SUITE_P(Golden, ImportedModel,
                         testing::Values("ddpmpp_edm", "ddpmpp_edm_cond_aug", "ddpmpp_vp",
                                         "ncsnpp_ve", "adm_edm_cond"));

// Whether its numbers are right is for diffusion/adm_golden_test.cpp to say.
TEST(ImportedAdm, CanBeSampledByClass) {
  const io::ScratchFolder scratch;
  const auto golden =
      io::read_safetensors(EQUIPOISE_SOURCE_DIR "/tests/golden/adm_unet.safetensors").metadata;
  io::write_safetensors(
      scratch / "weights.safetensors",
      diffusion::golden_weights(io::parse_json(golden.at("legacy_blocks.shapes"), "shapes")));
  std::ofstream(scratch / "flags.json") << golden.at("legacy_blocks.flags");
  const std::string model = scratch / "model.safetensors";
  const Outcome imported = equipoise({"import", "adm", scratch / "weights.safetensors", "--config",
                                      scratch / "flags.json", "--out", model});
  ASSERT_EQ(imported.code, 0) << imported.err;
  EXPECT_NE(imported.out.find("ddpm_linear_1000"), std::string::npos) << imported.out;

  const auto sample = [&](const std::string& classes) {
    const std::string out = scratch / (classes + ".npz");
    const Outcome sampled = equipoise({"sample", "--model", model, "--num", "2", "--float", "--out",
                                       out, "--steps", "3", "--class", classes});
    EXPECT_EQ(sampled.code, 0) << sampled.err;
    return io::read_npz(out).at("arr_0");
  };
  const at::Tensor first = sample("0"), second = sample("1");
  EXPECT_EQ(first.sizes(), at::IntArrayRef({2, 3, 16, 16}));
  EXPECT_TRUE(at::isfinite(first).all().item<bool>());
  EXPECT_FALSE(at::allclose(first, second));
}

}  // namespace
}  // namespace equipoise::e2e
