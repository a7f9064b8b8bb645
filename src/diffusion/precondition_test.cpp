#include "diffusion/precondition.h"

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"

namespace equipoise::diffusion {
namespace {

// Remembers what it was asked and answers with a constant.
class ConstantNetwork : public nets::DenoiserNetwork {
 public:
  explicit ConstantNetwork(double value, int64_t channel_factor = 1)
      : value_(value), channel_factor_(channel_factor) {}
  at::Tensor forward(const at::Tensor& x, const at::Tensor& noise_labels,
                     const Conditions&) override {
    input = x;
    noise = noise_labels;
    std::vector<int64_t> shape = x.sizes().vec();
    shape[1] *= channel_factor_;
    return at::full(shape, value_);
  }
  at::Tensor input, noise;

 private:
  double value_;
  int64_t channel_factor_;
};

const nets::DataShape kImages{4, 2, 0};
const at::Tensor kSigma = at::tensor({0.02f, 0.7f, 30.0f});

at::Tensor images() {
  return random_normal(1, Purpose::kNoise, at::arange(3), {2, 4, 4});
}

struct Made {
  std::shared_ptr<ConstantNetwork> network;
  PreconditionedDenoiser denoiser;
  explicit Made(const std::string& name, double value = 0, int64_t channel_factor = 1)
      : network(std::make_shared<ConstantNetwork>(value, channel_factor)),
        denoiser(name, 0.5, kImages, network) {}
};

// c_skip, c_out, c_in and c_noise of one image, recovered from what goes in and out of the network.
struct Recovered {
  double skip, out, in, noise;
};
Recovered recover(const std::string& name, int64_t image) {
  const at::Tensor x = images();
  Made zero(name), one(name, 1);
  const at::Tensor skipped = zero.denoiser.denoise(x, kSigma),
                   whole = one.denoiser.denoise(x, kSigma);
  const auto ratio = [&](const at::Tensor& a, const at::Tensor& b) {
    return (a[image] / b[image]).mean().item<double>();
  };
  return {ratio(skipped, x), (whole - skipped)[image].mean().item<double>(),
          ratio(zero.network->input, x), zero.network->noise[image].item<double>()};
}

void expect_close(double actual, double expected) {
  EXPECT_NEAR(actual, expected, 1e-4 * std::abs(expected) + 1e-5);
}

TEST(Preconditioning, FollowsItsTable) {
  for (int64_t i = 0; i < 3; ++i) {
    const double sigma = kSigma[i].item<double>(), total = sigma * sigma + 0.25;
    const Recovered edm = recover("edm", i), vp = recover("vp", i), ve = recover("ve", i);
    expect_close(edm.skip, 0.25 / total);
    expect_close(edm.out, sigma * 0.5 / std::sqrt(total));
    expect_close(edm.in, 1 / std::sqrt(total));
    expect_close(edm.noise, std::log(sigma) / 4);
    expect_close(vp.skip, 1);
    expect_close(vp.out, -sigma);
    expect_close(vp.in, 1 / std::sqrt(sigma * sigma + 1));
    const double t = vp.noise / 999;
    expect_close(std::sqrt(std::expm1(0.5 * 19.9 * t * t + 0.1 * t)), sigma);
    expect_close(ve.skip, 1);
    expect_close(ve.out, sigma);
    expect_close(ve.in, 1);
    expect_close(ve.noise, std::log(sigma / 2));
  }
}

TEST(Preconditioning, StatesItsNoiseRange) {
  EXPECT_EQ(Made("edm").denoiser.sigma_min(), 0);
  EXPECT_TRUE(std::isinf(Made("edm").denoiser.sigma_max()));
  EXPECT_NEAR(Made("vp").denoiser.sigma_min(), 1.0005e-3, 1e-6);
  EXPECT_NEAR(Made("vp").denoiser.sigma_max(), 152.167, 1e-2);
  EXPECT_EQ(Made("ve").denoiser.sigma_min(), 0.02);
  EXPECT_EQ(Made("ve").denoiser.sigma_max(), 100);
}

TEST(Preconditioning, WeighsLossesByItsOutputScale) {
  for (int64_t i = 0; i < 3; ++i) {
    const double out = recover("edm", i).out, sigma = kSigma[i].item<double>();
    expect_close(Made("edm").denoiser.loss_weight(kSigma)[i].item<double>(), 1 / (out * out));
    for (const char* name : {"vp", "ve", "iddpm"})
      expect_close(Made(name).denoiser.loss_weight(kSigma)[i].item<double>(), 1 / (sigma * sigma));
  }
}

// Where the ratio of neighbouring alpha-bars is not clipped, u_j^2 + 1 = abar_M / abar_j.
TEST(IddpmPreconditioning, KnowsTheLevelsOfTheCosineSchedule) {
  const Made iddpm("iddpm");
  const at::Tensor levels = iddpm.denoiser.named_buffers()["u"];
  ASSERT_EQ(levels.numel(), 1001);
  const auto alpha_bar = [](double j) {
    return std::pow(std::sin(0.5 * std::numbers::pi * j / 1000 / 1.008), 2);
  };
  for (const int64_t j : {1, 10, 500, 999}) {
    expect_close(levels[j].item<double>(), std::sqrt(alpha_bar(1000) / alpha_bar(j) - 1));
  }
  EXPECT_EQ(levels[1000].item<double>(), 0);
  EXPECT_EQ(iddpm.denoiser.sigma_max(), levels[0].item<double>());
  EXPECT_EQ(iddpm.denoiser.sigma_min(), levels[999].item<double>());
}

TEST(IddpmPreconditioning, RoundsToTheNearestLevel) {
  Made iddpm("iddpm", 1, /*channel_factor=*/2);
  const at::Tensor levels = iddpm.denoiser.named_buffers()["u"];
  const at::Tensor near = levels.slice(0, 100, 103) * 1.0001;
  EXPECT_TRUE(at::equal(iddpm.denoiser.round_sigma(near.to(at::kDouble)),
                        levels.slice(0, 100, 103).to(at::kDouble)));
  const at::Tensor denoised = iddpm.denoiser.denoise(images(), near);
  EXPECT_TRUE(at::equal(iddpm.network->noise, at::tensor({899.0f, 898.0f, 897.0f})));
  EXPECT_TRUE(at::allclose(denoised, images() - near.reshape({3, 1, 1, 1}), 1e-4, 1e-3));
}

TEST(PreconditionedDenoiser, TakesDoublesAndReturnsFloats) {
  Made edm("edm", 1);
  const at::Tensor from_double =
      edm.denoiser.denoise(images().to(at::kDouble), kSigma.to(at::kDouble));
  EXPECT_EQ(from_double.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(from_double, edm.denoiser.denoise(images(), kSigma)));
}

TEST(PreconditionedDenoiser, SpreadsOneNoiseLevelOverTheBatch) {
  Made edm("edm", 1);
  EXPECT_TRUE(at::equal(edm.denoiser.denoise(images(), at::tensor({0.7f})),
                        edm.denoiser.denoise(images(), at::full({3}, 0.7f))));
}

TEST(PreconditionedDenoiser, RefusesOtherShapes) {
  Made edm("edm");
  EXPECT_THROW(edm.denoiser.denoise(at::zeros({3, 1, 4, 4}), kSigma), UsageError);
  EXPECT_THROW(edm.denoiser.denoise(images(), at::ones({2})), UsageError);
  EXPECT_THROW(edm.denoiser.denoise(images(), kSigma, {.augment_labels = at::zeros({2, 9})}),
               UsageError);
}

TEST(MakeDenoiser, BuildsVectorsAndImages) {
  torch::NoGradGuard no_grad;
  ModelConfig config{.sigma_data = 2.236, .shape = {0, 2, 3}, .network = {{"type", "MLP"}}};
  const auto denoiser = make_denoiser(config, 0);
  EXPECT_EQ(denoiser->denoise(at::zeros({3, 2}), kSigma).sizes(), at::IntArrayRef({3, 2}));
  EXPECT_THROW(denoiser->denoise(at::zeros({3, 2}), kSigma, {.class_labels = at::zeros({3, 2})}),
               UsageError);
  config.sigma_data = 0;
  EXPECT_THROW(make_denoiser(config, 0), UsageError);
  config.preconditioning = "edn";
  EXPECT_THROW(make_denoiser(config, 0), UsageError);
}

TEST(MakeDenoiser, GivesIddpmNetworksTwiceTheOutputs) {
  torch::NoGradGuard no_grad;
  const nlohmann::json network{
      {"type", "DhariwalUNet"}, {"model_channels", 8}, {"channel_mult", {1}}, {"num_blocks", 1}};
  const auto denoiser =
      make_denoiser({.preconditioning = "iddpm", .shape = kImages, .network = network}, 0);
  EXPECT_EQ(denoiser->named_parameters()["model.out_conv.bias"].numel(), 4);
  EXPECT_EQ(denoiser->denoise(images(), kSigma).sizes(), images().sizes());
}

}  // namespace
}  // namespace equipoise::diffusion
