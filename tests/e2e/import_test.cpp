// Published weights, brought in and sampled from the command line, give the images that their own
// code gave.
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace equipoise::e2e
