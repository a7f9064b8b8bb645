#include "diffusion/adm_denoiser.h"

#include <cmath>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "nets/state.h"

namespace equipoise::diffusion {
namespace {

const nets::DataShape kShape{4, 2, 0};
const DdpmSchedule kLinear{BetaLaw::kLinear, 1000}, kCosine{BetaLaw::kCosine, 1000};

// Remembers what it was asked; predicts the same noise everywhere, and v if it has channels for it.
class ConstantNetwork : public nets::DenoiserNetwork {
 public:
  ConstantNetwork(double noise, double v) : noise_(noise), v_(v) {}
  at::Tensor forward(const at::Tensor& x, const at::Tensor& noise_labels,
                     const Conditions&) override {
    input = x;
    steps = noise_labels;
    return at::cat({at::full_like(x, noise_), at::full_like(x, v_)}, 1);
  }
  at::Tensor input, steps;

 private:
  double noise_, v_;
};

at::Tensor images(int64_t count) {
  return random_normal(1, Purpose::kNoise, at::arange(count), {2, 4, 4});
}

at::Tensor column(const at::Tensor& values) {
  return values.reshape({-1, 1, 1, 1});
}

TEST(AdmDenoiser, TellsTheNetworkTheNearestStep) {
  for (const DdpmSchedule& schedule : {kLinear, kCosine}) {
    const auto network = std::make_shared<ConstantNetwork>(0, 0);
    const AdmDenoiser denoiser(schedule, kShape, network);
    const at::Tensor levels = ddpm_chain(schedule).sigma();
    const at::Tensor steps = at::tensor({0, 1, 500, 998, 999}, at::kLong);
    const at::Tensor sigma = levels.index_select(0, steps);
    denoiser.denoise(images(5), sigma);
    EXPECT_TRUE(at::equal(network->steps, steps.to(at::kFloat)));
    // Less than halfway to a neighbour, which is 0.1 % of the level away or more.
    denoiser.denoise(images(5), sigma * 1.0004);
    EXPECT_TRUE(at::equal(network->steps, steps.to(at::kFloat)));
    denoiser.denoise(images(5), at::tensor({1e-6, 1e6, 1.0, 1.0, 1.0}, at::kDouble));
    EXPECT_EQ(network->steps[0].item<double>(), 0);
    EXPECT_EQ(network->steps[1].item<double>(), 999);
  }
}

TEST(AdmDenoiser, RoundsToTheNearestLevel) {
  const AdmDenoiser denoiser(kLinear, kShape, std::make_shared<ConstantNetwork>(0, 0));
  const at::Tensor levels = ddpm_chain(kLinear).sigma();
  const at::Tensor gap = levels.slice(0, 1) - levels.slice(0, 0, 999);
  const at::Tensor below = levels.slice(0, 0, 999), above = levels.slice(0, 1);
  EXPECT_TRUE(at::equal(denoiser.round_sigma(below + 0.49 * gap), below));
  EXPECT_TRUE(at::equal(denoiser.round_sigma(below + 0.51 * gap), above));
  EXPECT_EQ(denoiser.sigma_min(), levels[0].item<double>());
  EXPECT_EQ(denoiser.sigma_max(), levels[999].item<double>());
  EXPECT_NEAR(denoiser.sigma_min(), 0.01, 1e-6);
  EXPECT_NEAR(denoiser.sigma_max(), std::sqrt(1 / 4.036e-5 - 1), 0.02);
}

TEST(AdmDenoiser, SubtractsThePredictedNoise) {
  const auto network = std::make_shared<ConstantNetwork>(0.75, 0);
  const AdmDenoiser denoiser(kLinear, kShape, network);
  const at::Tensor x = images(3), sigma = at::tensor({0.02f, 0.7f, 30.0f});
  const at::Tensor denoised = denoiser.denoise(x, sigma);
  EXPECT_TRUE(at::allclose(denoised, x - column(sigma) * 0.75, 1e-6, 1e-6));
  EXPECT_TRUE(at::allclose(network->input, x / (1 + column(sigma).square()).sqrt(), 1e-6, 1e-7));
}

// The network sees sqrt(abar) x_0 + sqrt(1 - abar) eps, and told eps it gives back x_0.
TEST(AdmDenoiser, UndoesTheForwardProcess) {
  const auto network = std::make_shared<ConstantNetwork>(-1.5, 0);
  const AdmDenoiser denoiser(kCosine, kShape, network);
  const DdpmChain chain = ddpm_chain(kCosine);
  const at::Tensor steps = at::tensor({3, 400, 900}, at::kLong);
  const at::Tensor alpha_bar = column(chain.alpha_bar.index_select(0, steps)),
                   sigma = chain.sigma().index_select(0, steps), clean = images(3).to(at::kDouble);
  const at::Tensor noisy = alpha_bar.sqrt() * clean - 1.5 * (1 - alpha_bar).sqrt();
  const at::Tensor denoised = denoiser.denoise(noisy / alpha_bar.sqrt(), sigma);
  EXPECT_TRUE(at::allclose(network->input, noisy.to(at::kFloat), 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(denoised, clean.to(at::kFloat), 1e-5, 1e-5));
}

TEST(LearnedVarianceAdmDenoiser, GivesTheShareOfTheUpperVariance) {
  const LearnedVarianceAdmDenoiser denoiser(kLinear, kShape,
                                            std::make_shared<ConstantNetwork>(0.75, -0.5));
  const at::Tensor x = images(3), sigma = at::tensor({0.02f, 0.7f, 30.0f});
  const auto [denoised, share] = denoiser.denoise_with_variance(x, sigma, {});
  EXPECT_TRUE(at::equal(denoised, denoiser.denoise(x, sigma)));
  EXPECT_TRUE(at::equal(share, at::full_like(x, 0.25)));
}

TEST(MakeDenoiser, KnowsDiscreteTimeModelsByTheirSchedule) {
  ModelConfig config{.preconditioning = "ddpm_cosine_50",
                     .shape = kShape,
                     .network = {{"type", "ADMUNet"},
                                 {"model_channels", 32},
                                 {"channel_mult", {1}},
                                 {"num_res_blocks", 1},
                                 {"num_head_channels", 16}}};
  const auto plain = std::dynamic_pointer_cast<AdmDenoiser>(make_denoiser(config, 0));
  ASSERT_NE(plain, nullptr);
  EXPECT_EQ(plain->schedule().num_steps, 50);
  EXPECT_EQ(dynamic_cast<const LearnedVarianceDenoiser*>(plain.get()), nullptr);
  for (const auto& [name, tensor] : nets::state_of(*plain))
    EXPECT_EQ(name.rfind("model.", 0), 0) << name;
  config.network["learn_sigma"] = true;
  const auto learned = make_denoiser(config, 0);
  EXPECT_NE(dynamic_cast<const LearnedVarianceDenoiser*>(learned.get()), nullptr);
  config.preconditioning = "ddpm_cosine_1";
  EXPECT_THROW(make_denoiser(config, 0), UsageError);
  config.preconditioning = "ddpm_cosin_50";
  EXPECT_THROW(make_denoiser(config, 0), UsageError);
}

}  // namespace
}  // namespace equipoise::diffusion
