// What every registered sampler must do, on laws whose denoiser is known exactly.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "diffusion/mixture_law.h"
#include "samplers/sampler.h"

namespace equipoise::samplers {
namespace {

using diffusion::GaussianMixture;

class EverySampler : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Sampler> make(const nlohmann::json& options = nlohmann::json::object()) const {
    return SamplerRegistry::instance().find(GetParam()).make.make(options);
  }
};

SamplingInput input_for(const at::Tensor& seeds, std::vector<int64_t> item_shape) {
  SamplingInput input;
  input.seeds = seeds;
  input.latents = random_normal(1, Purpose::kLatent, seeds, item_shape).to(at::kDouble);
  input.seed_base = 1;
  return input;
}

/// Passes calls on and counts them.
class CountingDenoiser : public diffusion::Denoiser {
 public:
  explicit CountingDenoiser(const diffusion::Denoiser& inner) : inner_(inner) {}
  at::Tensor denoise(const at::Tensor& x, const at::Tensor& sigma,
                     const diffusion::Conditions& c) const override {
    ++num_calls;
    return inner_.denoise(x, sigma, c);
  }
  mutable int64_t num_calls = 0;

 private:
  const diffusion::Denoiser& inner_;
};

TEST_P(EverySampler, EndsExactlyAtASinglePoint) {
  const GaussianMixture point = diffusion::isotropic_gaussian({0.5, -0.25}, 0);
  const at::Tensor samples = make()->sample(point, input_for(at::arange(8), {2}));
  EXPECT_EQ(samples.scalar_type(), at::kDouble);
  const at::Tensor expected = at::tensor({0.5, -0.25}, at::kDouble);
  EXPECT_LT((samples - expected).abs().max().item<double>(), 1e-9);
}

TEST_P(EverySampler, FollowsTheFlowOfAGaussian) {
  const GaussianMixture law = diffusion::isotropic_gaussian({0.3}, 0.5);
  const SamplingInput input = input_for(at::arange(16), {1});
  const at::Tensor samples = make({{"steps", 400}})->sample(law, input);
  // The flow keeps (x - mean) / sqrt(std^2 + sigma^2).
  const at::Tensor expected = 0.3 + (80 * input.latents - 0.3) * 0.5 / std::sqrt(0.25 + 80 * 80.0);
  EXPECT_LT((samples - expected).abs().max().item<double>(), 0.02);
}

TEST_P(EverySampler, ConvergesAtFirstOrderAtLeast) {
  const GaussianMixture law = diffusion::isotropic_gaussian({0}, 0.5);
  const SamplingInput input = input_for(at::arange(4), {1});
  const at::Tensor exact = 10 * input.latents * 0.5 / std::sqrt(0.25 + 100);
  const auto error = [&](int64_t steps) {
    const auto sampler = make({{"steps", steps}, {"sigma_max", 10}, {"sigma_min", 1e-5}});
    return (sampler->sample(law, input) - exact).abs().max().item<double>();
  };
  EXPECT_GT(std::log2(error(64) / error(128)), 0.9);
}

TEST_P(EverySampler, FindsTheSharesOfAMixture) {
  const auto law = diffusion::two_mode_laws().biased;
  const at::Tensor samples = make({{"steps", 40}})->sample(*law, input_for(at::arange(8000), {2}));
  const double share = (samples.sum(1) > 0).to(at::kDouble).mean().item<double>();
  EXPECT_NEAR(share, 0.2, 0.02);
}

TEST_P(EverySampler, BatchSplitAndOrderDoNotChangeImages) {
  const auto law = diffusion::two_mode_laws().unbiased;
  for (const double churn : {0.0, 20.0}) {
    const auto sampler = make({{"churn", churn}});
    const at::Tensor whole = sampler->sample(*law, input_for(at::arange(6), {2}));
    const at::Tensor reordered =
        sampler->sample(*law, input_for(at::tensor({5, 0, 3}, at::kLong), {2}));
    EXPECT_TRUE(at::equal(reordered, whole.index_select(0, at::tensor({5, 0, 3}, at::kLong))));
  }
}

TEST_P(EverySampler, ChurnKeepsTheLaw) {
  const GaussianMixture law = diffusion::isotropic_gaussian({0.3}, 0.5);
  const at::Tensor calm = make()->sample(law, input_for(at::arange(4000), {1}));
  const at::Tensor churned =
      make({{"steps", 400}, {"churn", 60}})->sample(law, input_for(at::arange(4000), {1}));
  EXPECT_GT((calm - churned).abs().mean().item<double>(), 0.01) << "churn must do something";
  EXPECT_NEAR(churned.mean().item<double>(), 0.3, 0.03);
  EXPECT_NEAR(churned.std().item<double>(), 0.5, 0.04);
}

TEST_P(EverySampler, CallsTheDenoiserAsOftenAsItSays) {
  const GaussianMixture law = diffusion::isotropic_gaussian({0});
  const CountingDenoiser counting(law);
  const auto sampler = make({{"steps", 7}});
  sampler->sample(counting, input_for(at::arange(2), {1}));
  EXPECT_EQ(counting.num_calls, sampler->num_function_evaluations());
}

TEST_P(EverySampler, NeedsNoAutograd) {
  const GaussianMixture law = diffusion::isotropic_gaussian({0});
  SamplingInput input = input_for(at::arange(2), {1});
  input.latents.requires_grad_(true);
  EXPECT_FALSE(make()->sample(law, input).requires_grad());
}

TEST_P(EverySampler, RefusesUnknownOptions) {
  EXPECT_THROW(make({{"stepps", 7}}), UsageError);
  EXPECT_THROW(make({{"steps", 0}}), UsageError);
}

TEST_P(EverySampler, ExplainsItself) {
  const auto& entry = SamplerRegistry::instance().find(GetParam());
  EXPECT_FALSE(entry.info.summary.empty());
  EXPECT_FALSE(entry.info.source.empty());
  EXPECT_FALSE(entry.info.use_when.empty());
  EXPECT_THAT(entry.make.options_help(), testing::HasSubstr("steps"));
}

INSTANTIATE_TEST_SUITE_P(Registry, EverySampler,
                         testing::ValuesIn(SamplerRegistry::instance().names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace equipoise::samplers
