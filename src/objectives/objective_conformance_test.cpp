// What every registered objective must do.
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/error.h"
#include "objectives/objective_fixture.h"

namespace equipoise::objectives {
namespace {

using diffusion::TrainingSet;

/// D(x; sigma) = a x + b tanh(x) + c sigma, with parameters (a, b, c).
class TinyDenoiser : public diffusion::Denoiser {
 public:
  explicit TinyDenoiser(at::Tensor parameters) : parameters_(std::move(parameters)) {}
  at::Tensor denoise(const at::Tensor& x, const at::Tensor& sigma,
                     const diffusion::Conditions&) const override {
    const at::Tensor p = parameters_.to(x.scalar_type());
    return p[0] * x + p[1] * x.tanh() + p[2] * sigma.unsqueeze(1);
  }

 private:
  at::Tensor parameters_;
};

const at::Tensor kParameters = at::tensor({0.6, -0.3, 0.2}, at::kDouble);

class EveryObjective : public testing::TestWithParam<std::string> {
 protected:
  const ObjectivePlugin& plugin() const {
    return ObjectiveRegistry::instance().find(GetParam()).make;
  }
  bool needs_ratio() const { return plugin().needs.ratio != RatioNeed::kNone; }
  std::unique_ptr<Objective> make(const nlohmann::json& options = nlohmann::json::object()) const {
    ObjectiveInputs inputs;
    if (needs_ratio()) inputs.ratio = toy_ratio();
    if (plugin().needs.labels != LabelNeed::kNone) inputs.labels = toy_labels();
    return make_objective(GetParam(), inputs, options);
  }
};

/// Those that ask for a density ratio.
class EveryRatioObjective : public EveryObjective {};

at::Tensor loss_of(const Objective& objective, const diffusion::NoisyBatch& batch) {
  return objective.loss(TinyDenoiser(kParameters), batch, toy_conditions());
}

TEST_P(EveryObjective, GradientEqualsFiniteDifferences) {
  // Where a method stops some of the gradient by default, the whole of it is what is checked.
  const bool may_stop = plugin().options_help().find("gradient =") != std::string::npos;
  const auto objective = may_stop ? make({{"gradient", "all"}}) : make();
  const diffusion::NoisyBatch batch = toy_batch(at::kDouble);
  const auto mean_loss = [&](const at::Tensor& parameters) {
    return objective->loss(TinyDenoiser(parameters), batch, toy_conditions()).sum() / 6;
  };
  const at::Tensor parameters = kParameters.clone().requires_grad_(true);
  const at::Tensor gradient = torch::autograd::grad({mean_loss(parameters)}, {parameters}).front();
  for (int64_t i = 0; i < 3; ++i) {
    at::Tensor step = at::zeros({3}, at::kDouble);
    step[i] = 1e-5;
    const double difference =
        (mean_loss(kParameters + step) - mean_loss(kParameters - step)).item<double>() / 2e-5;
    EXPECT_NEAR(gradient[i].item<double>(), difference, 1e-6 * std::abs(difference) + 1e-8);
  }
}

TEST_P(EveryObjective, LossHasTheShapeOfTheImages) {
  EXPECT_EQ(loss_of(*make(), toy_batch()).sizes(), at::IntArrayRef({6, 2}));
  const auto images = diffusion::make_noisy(at::full({2, 1, 1, 2}, 0.5), at::arange(2), 1, {}, 0.5);
  EXPECT_EQ(make()->loss(ConstantDenoiser(0), images, toy_conditions(2)).sizes(),
            at::IntArrayRef({2, 1, 1, 2}));
}

TEST_P(EveryObjective, ItemsDoNotAffectEachOther) {
  const auto objective = make();
  const at::Tensor before = loss_of(*objective, toy_batch());
  diffusion::NoisyBatch changed = toy_batch();
  changed.clean = changed.clean.clone();
  changed.clean[2] += 1;
  changed.noisy[2] += 3;
  const at::Tensor differs = (loss_of(*objective, changed) != before).any(1);
  EXPECT_TRUE(differs[2].item<bool>());
  EXPECT_EQ(differs.sum().item<int64_t>(), 1);
}

TEST_P(EveryObjective, EqualsPlainLossWhenTheDataAreAsTheyShouldBe) {
  const auto objective = make_objective(
      GetParam(), {.ratio = std::make_shared<ConstantRatio>(0), .labels = right_labels()});
  const auto plain = make_objective("dsm_obs", nullptr);
  EXPECT_TRUE(at::equal(loss_of(*objective, toy_batch()), loss_of(*plain, toy_batch())));
}

TEST_P(EveryObjective, LeavesTheBatchAsItWas) {
  const diffusion::NoisyBatch batch = toy_batch();
  const at::Tensor clean = batch.clean.clone();
  loss_of(*make(), batch);
  EXPECT_TRUE(at::equal(batch.clean, clean));
  EXPECT_FALSE(batch.noisy.requires_grad());
}

TEST_P(EveryRatioObjective, RatioThatIsNotFiniteIsANumericError) {
  const auto objective = make_objective(
      GetParam(), std::make_shared<ConstantRatio>(std::numeric_limits<double>::quiet_NaN()));
  EXPECT_THROW(loss_of(*objective, toy_batch()), NumericError);
}

TEST_P(EveryRatioObjective, AlphaZeroIsPlainLossWithoutARatio) {
  const auto objective = make_objective(GetParam(), nullptr, {{"alpha", 0}});
  EXPECT_EQ(objective->needs(), ObjectiveNeeds{});
  const auto plain = make_objective("dsm_obs", nullptr);
  EXPECT_TRUE(at::equal(loss_of(*objective, toy_batch()), loss_of(*plain, toy_batch())));
}

TEST_P(EveryRatioObjective, MissingRatioIsAUsageError) {
  EXPECT_THROW(make_objective(GetParam(), nullptr), UsageError);
}

TEST_P(EveryObjective, AnnouncesWhatItNeeds) {
  EXPECT_EQ(make()->needs(), plugin().needs);
  EXPECT_EQ(make()->training_set(), plugin().training_set);
}

TEST_P(EveryObjective, RefusesUnknownOptions) {
  EXPECT_THROW(make({{"alhpa", 1}}), UsageError);
}

TEST_P(EveryObjective, ExplainsItself) {
  const MethodInfo& info = ObjectiveRegistry::instance().find(GetParam()).info;
  EXPECT_FALSE(info.summary.empty());
  EXPECT_FALSE(info.source.empty());
  EXPECT_FALSE(info.use_when.empty());
  EXPECT_EQ(plugin().options_help().find("alpha") != std::string::npos, needs_ratio());
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryObjective,
                         testing::ValuesIn(ObjectiveRegistry::instance().names()),
                         [](const auto& info) { return info.param; });

std::vector<std::string> names_with_ratio() {
  std::vector<std::string> names;
  for (const auto& [name, entry] : ObjectiveRegistry::instance().entries())
    if (entry.make.needs.ratio != RatioNeed::kNone) names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryRatioObjective, testing::ValuesIn(names_with_ratio()),
                         [](const auto& info) { return info.param; });

TEST(PlainObjectives, DrawFromTheSetTheyAreNamedAfter) {
  EXPECT_EQ(make_objective("dsm_ref", nullptr)->training_set(), TrainingSet::kReference);
  EXPECT_EQ(make_objective("dsm_obs", nullptr)->training_set(), TrainingSet::kHalfAndHalf);
  EXPECT_EQ(make_objective("dsm_bias", nullptr)->training_set(), TrainingSet::kBiased);
}

TEST(PlainObjectives, LossIsTheWeightedSquare) {
  diffusion::NoisyBatch batch = batch_at(at::full({1, 2}, 0.25), at::zeros({1, 2}), 1);
  batch.loss_weight.fill_(3);
  const at::Tensor loss =
      make_objective("dsm_ref", nullptr)->loss(ConstantDenoiser(0.75), batch, {});
  EXPECT_NEAR(loss[0][1].item<double>(), 3 * 0.5 * 0.5, 1e-6);
}

}  // namespace
}  // namespace equipoise::objectives
