// Guidance and rejection in one run, where both are known exactly.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "diffusion/mixture_law.h"
#include "guidance/discriminator.h"
#include "samplers/sample_images.h"

namespace equipoise::guidance {
namespace {

using diffusion::GaussianMixture;
using samplers::Rejection;
using samplers::RejectionConfig;

/// The two-mode toy with this share of the upper mode.
std::shared_ptr<const GaussianMixture> modes(double upper) {
  return std::make_shared<const GaussianMixture>(std::vector<GaussianMixture::Component>{
      {.weight = 1 - upper, .mean = {-2, -2}}, {.weight = upper, .mean = {2, 2}}});
}

std::shared_ptr<const diffusion::MixtureRatio> ratio_of(double upper, double to_upper) {
  return std::make_shared<diffusion::MixtureRatio>(modes(upper), modes(to_upper));
}

/// Guidance by the exact ratio that turns share `from` into share `to`.
diffusion::GuidedDenoiser::Terms guided_from(double from, double to) {
  DiscriminatorOptions options;
  options.weight = 1;
  options.second = 1;
  options.time_min = 0;
  return {std::make_shared<const DiscriminatorGuidance>(options, ratio_of(to, from))};
}

double share_of(const samplers::SampleResult& result) {
  return (result.images.sum(1) > 0).to(at::kDouble).mean().item<double>();
}

class GuidedRejection : public testing::Test {
 protected:
  samplers::SampleResult run(const samplers::Sampler& sampler,
                             const diffusion::GuidedDenoiser::Terms& terms,
                             const Rejection* rejection) const {
    Progress progress;
    return sample_images(*model_, sampler, request_, options_, progress, terms, rejection);
  }

  const std::shared_ptr<const GaussianMixture> model_ = modes(0.2);
  const samplers::SampleRequest request_{
      .seeds = at::arange(2000), .item_shape = {2}, .seed_base = 5};
  const samplers::SampleOptions options_{.batch_size = 512, .chunk_size = 512};
};

// Guidance goes from 0.2 to 0.35, rejection on what it makes from there to 0.5. False alarms: 2,000
// images, 4.5 standard errors and 0.01 for steps of finite length, once in 100,000 runs each.
TEST_F(GuidedRejection, EachDoesItsPart) {
  constexpr int64_t kSteps = 25;
  const auto sampler = samplers::SamplerRegistry::instance()
                           .find("euler_ancestral")
                           .make.make({{"steps", kSteps}, {"sigma_min", 0.3}, {"sigma_max", 20}});
  // No kernel's ratio exceeds the largest ratio over the least.
  const double bound = (0.5 / 0.35) / (0.5 / 0.65);
  const std::vector<double> bounds(kSteps + 1, std::log(bound));
  const Rejection rejection(ratio_of(0.5, 0.35), {.max_calls = 1000000, .exact = true}, *sampler,
                            {.marginal = bounds, .transition = bounds});
  const auto terms = guided_from(0.2, 0.35);
  EXPECT_NEAR(share_of(run(*sampler, terms, nullptr)), 0.35, 0.058);
  EXPECT_NEAR(share_of(run(*sampler, terms, &rejection)), 0.5, 0.06);
  EXPECT_LT(share_of(run(*sampler, {}, &rejection)), 0.4) << "without guidance it is not enough";
}

// With a deterministic solver and measured constants rejection corrects in part: together they come
// nearer to 1/2 than either alone.
TEST_F(GuidedRejection, TogetherTheyComeNearerThanEitherAlone) {
  const auto heun = samplers::SamplerRegistry::instance().find("heun").make.make({{"steps", 18}});
  const RejectionConfig config{.percentile = 0.9, .warmup_images = 500};
  const auto rejected = [&](double upper, const diffusion::GuidedDenoiser::Terms& terms) {
    Progress progress;
    const auto ratio = ratio_of(0.5, upper);
    const Rejection rejection(ratio, config, *heun,
                              measure_rejection_tables(*model_, *heun, *ratio, config, request_,
                                                       options_, progress, terms));
    return share_of(run(*heun, terms, &rejection));
  };
  const auto terms = guided_from(0.2, 0.35);
  const double guided = share_of(run(*heun, terms, nullptr)), alone = rejected(0.2, {}),
               both = rejected(0.35, terms);
  EXPECT_GT(alone, 0.25);
  EXPECT_GT(both, std::max(guided, alone) + 0.02);
  EXPECT_LT(both, 0.55);
}

// Constants belong to the images that guidance makes.
TEST_F(GuidedRejection, ConstantsAreMeasuredOnGuidedImages) {
  const auto heun = samplers::SamplerRegistry::instance().find("heun").make.make({{"steps", 18}});
  const auto ratio = ratio_of(0.5, 0.2);
  const auto measured = [&](const diffusion::GuidedDenoiser::Terms& terms) {
    Progress progress;
    return measure_rejection_tables(*model_, *heun, *ratio,
                                    {.percentile = 0.4, .warmup_images = 300}, request_, options_,
                                    progress, terms);
  };
  // Two images in ten lie in the upper mode without guidance, seven with it.
  const double plain = measured({}).marginal[18],
               guided = measured(guided_from(0.2, 0.7)).marginal[18];
  EXPECT_NEAR(plain, 0, 1e-9) << "ratio 0.625 in the lower mode, no less than 1 as a constant";
  EXPECT_NEAR(guided, std::log(2.5), 1e-3);
}

}  // namespace
}  // namespace equipoise::guidance
