#include <cmath>
#include <filesystem>
#include <functional>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"
#include "diffusion/ddpm_schedule.h"
#include "diffusion/model_file.h"
#include "io/scratch_folder.h"
#include "train/constraints/line_fixture.h"
#include "train/constraints/pretrained.h"
#include "train/dual_ascent.h"

namespace equipoise::train {
namespace {

using diffusion::GaussianMixture;
using testing::HasSubstr;

double mean_loss(const Constraint& constraint, const diffusion::Denoiser& denoiser,
                 int64_t num_images) {
  const torch::NoGradGuard no_grad;
  return constraint.losses(denoiser, 0, num_images).mean().item<double>();
}

/// N(0, std^2) as its quantiles, and every level of the linear 1000-step schedule drawn equally often.
Floor gaussian_floor(double std) {
  constexpr int64_t kPoints = 4000, kPerLevel = 3;
  const at::Tensor ranks = (at::arange(kPoints, at::kDouble) + 0.5) / kPoints;
  const at::Tensor points = (at::erfinv(2 * ranks - 1) * std::sqrt(2.0) * std).unsqueeze(1);
  const at::Tensor sigma =
      diffusion::ddpm_chain({.num_steps = 1000}).sigma().repeat({kPerLevel}).to(at::kFloat);
  const at::Tensor numbers = at::arange(sigma.numel());
  diffusion::NoisyBatch draws;
  draws.clean = points.index_select(0, (numbers * 2741).remainder(kPoints)).to(at::kFloat);
  draws.sigma = sigma;
  draws.noisy = draws.clean + sigma.unsqueeze(1) * random_normal(3, Purpose::kNoise, numbers, {1});
  draws.loss_weight = 1 / sigma.square();
  return denoising_floor(points, draws);
}

TEST(DenoisingFloor, OfGaussianDataIsKnownInClosedForm) {
  const at::Tensor alpha_bar = diffusion::ddpm_chain({.num_steps = 1000}).alpha_bar;
  EXPECT_NEAR(alpha_bar.mean().item<double>(), 0.27551, 5e-6);
  EXPECT_NEAR(alpha_bar.slice(0, 1).mean().item<double>(), 0.27479, 5e-6);
  EXPECT_NEAR(gaussian_floor(1).value, 0.27551, 0.002);
  EXPECT_NEAR(gaussian_floor(0.5).value, 0.17305, 0.002);
  EXPECT_NEAR(gaussian_floor(std::sqrt(0.05)).value, 0.08938, 0.002);
}

TEST(DenoisingFloor, LabelsCanOnlyLowerIt) {
  const auto set = hump_set(0.5, 500);
  diffusion::NoisyBatch draws = diffusion::make_noisy(set->images, at::arange(500), 1,
                                                      {.law = "edm", .p_mean = 1, .p_std = 0.5}, 1);
  const double blind = denoising_floor(set->images, draws).value;
  const double told = denoising_floor(set->images, draws, set->labels, set->labels).value;
  EXPECT_GT(told, 0);
  EXPECT_LT(told, 0.8 * blind);
}

TEST(DenoisingFloor, NoDenoiserGoesBelowAndTheOneThatKnowsTheImagesReachesIt) {
  // Few points at little noise: the law of the points is not the law they were drawn from.
  const auto set = hump_set(0.5, 12);
  const ConstraintContext context = line_context(set, {.law = "edm", .p_mean = -1.5, .p_std = 0.3});
  const auto constraint = loss_on(context);
  const Floor floor = constraint->floor();
  std::vector<GaussianMixture::Component> points;
  for (int64_t i = 0; i < 12; ++i)
    points.push_back({.weight = 1.0 / 12, .mean = {set->images[i][0].item<double>()}, .std = 0});
  // Both means have about the same error; five of them fail once in 2 million.
  EXPECT_NEAR(mean_loss(*constraint, GaussianMixture(points), 1024), floor.value,
              5 * 1.5 * floor.standard_error);
  EXPECT_GT(mean_loss(*constraint, two_humps(0.5), 1024), 1.25 * floor.value);
}

// At the mixture (q + lambda q1) / (1 + lambda), the Lagrangian's minimiser, with q = 0.9 N(-2, 1/4) +
// 0.1 N(2, 1/4) and q1 = N(2, 1/4). The reference values are of 60,000 draws, within 0.01; so are
// these, with standard errors up to 0.006.
TEST(DenoisingConstraint, LossesAtTheLagrangiansMinimiserAreTheKnownOnes) {
  constexpr int64_t kDraws = 60'000;
  const auto main = loss_on(line_context(hump_set(0.1, kDraws)));
  const auto minority = loss_on(line_context(hump_set(1, kDraws)));
  struct Row {
    double lambda, minority, main;
  };
  double before = std::numeric_limits<double>::infinity();
  for (const Row& row : {Row{0, .602, .235},
                         {.1, .489, .239},
                         {.3, .391, .256},
                         {.8, .300, .300},
                         {2, .238, .378},
                         {8, .191, .556}}) {
    const GaussianMixture best = two_humps((0.1 + row.lambda) / (1 + row.lambda));
    const double found = mean_loss(*minority, best, kDraws);
    EXPECT_NEAR(found, row.minority, 0.025) << row.lambda;
    EXPECT_NEAR(mean_loss(*main, best, kDraws), row.main, 0.025) << row.lambda;
    EXPECT_LT(found, before) << "the dual function is concave";
    before = found;
  }
}

TEST(GroupConstraint, TakesTheGroupsImagesOfTheNamedSet) {
  const auto set = hump_set(0.5, 100);
  ConstraintContext context = line_context(set);
  context.biased = at::arange(60);
  context.reference = at::arange(60, 100);
  context.heldout_set = set;
  context.heldout = at::arange(100);
  const auto count = [&](int64_t begin, int64_t end) {
    return set->labels.slice(0, begin, end).sum().item<int64_t>();
  };
  for (const auto& [images, expected] :
       {std::pair{"biased", count(0, 60)}, {"reference", count(60, 100)}, {"both", count(0, 100)}})
    EXPECT_EQ(
        make_constraint("group", {{"group", "right"}, {"images", images}}, context)->num_images(),
        expected);
  const auto constraint = make_constraint("group", {{"group", "right"}}, context);
  EXPECT_THAT(constraint->group_shares(), testing::ElementsAre(0, 1));
  EXPECT_TRUE(std::isfinite(constraint->heldout_loss(two_humps(0.5))));
  // The right hump is all it sees: a denoiser of the left one alone is far off.
  EXPECT_GT(mean_loss(*constraint, two_humps(0), 200),
            3 * mean_loss(*constraint, two_humps(1), 200));
}

TEST(GroupConstraint, NamesTheGroupsWhenThereIsNoSuchOne) {
  const ConstraintContext context = line_context(hump_set(0.5, 20));
  try {
    make_constraint("group", {{"group", "rigth"}}, context);
    FAIL() << "no error";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("right"));
  }
  EXPECT_THROW(make_constraint("group", {{"group", "right"}, {"images", "reference"}}, context),
               UsageError);
}

TEST(DataSetConstraint, TakesADataSetOrTheRunsReference) {
  ConstraintContext context = line_context(hump_set(0.25, 40));
  EXPECT_THROW(make_constraint("data_set", nlohmann::json::object(), context), UsageError);
  context.reference = at::arange(10);
  const auto reference = make_constraint("data_set", nlohmann::json::object(), context);
  EXPECT_EQ(reference->num_images(), 10);
  const double right = context.set->labels.slice(0, 0, 10).sum().item<double>() / 10;
  EXPECT_THAT(reference->group_shares(), testing::ElementsAre(1 - right, right));
  // Vectors of length 2 are no data for a run on a line.
  EXPECT_THROW(make_constraint("data_set", {{"path", "toy:two-gaussians?num=20"}}, context),
               UsageError);
  auto plane = std::make_shared<data::ImageSet>();
  plane->images = at::zeros({4, 2});
  plane->labels = at::zeros({4}, at::kLong);
  plane->class_names = {"all"};
  EXPECT_EQ(make_constraint("data_set", {{"path", "toy:two-gaussians?num=20"}}, line_context(plane))
                ->num_images(),
            20);
}

/// Remembers what it is asked.
class Listener : public diffusion::Denoiser {
 public:
  at::Tensor denoise(const at::Tensor& x, const at::Tensor&,
                     const diffusion::Conditions& conditions) const override {
    seen = x;
    labels = conditions.class_labels;
    return x;
  }
  mutable at::Tensor seen, labels;
};

/// A run on a plane with classes of these names, of which its own images show the first.
ConstraintContext plane_context(const std::vector<std::string>& classes) {
  auto set = std::make_shared<data::ImageSet>();
  set->images = at::zeros({4, 2});
  set->labels = at::zeros({4}, at::kLong);
  set->class_names = classes;
  // Next to no noise: what the denoiser sees are the images.
  ConstraintContext context = line_context(set, {.law = "edm", .p_mean = -12, .p_std = 0});
  context.label_dim = static_cast<int64_t>(classes.size());
  return context;
}

const nlohmann::json kTwoGaussians{{"path", "toy:two-gaussians?num=20"}};

TEST(DataSetConstraint, FindsTheModelsClassesByName) {
  const Listener listener;
  make_constraint("data_set", kTwoGaussians,
                  plane_context({"elsewhere", "upper-right", "lower-left"}))
      ->losses(listener, 0, 20);
  ASSERT_EQ(listener.seen.sizes(), at::IntArrayRef({20, 2}));
  // The modes are (-2, -2) and (2, 2), with standard deviation 1.4 along the line between them.
  const at::Tensor is_right = listener.seen.sum(1).gt(0);
  EXPECT_TRUE(at::equal(listener.labels.argmax(1), at::where(is_right, 1, 2)));
}

TEST(DataSetConstraint, RefusesClassesThatTheModelHasNot) {
  try {
    make_constraint("data_set", kTwoGaussians, plane_context({"lower-left", "uper-right"}));
    FAIL() << "no error";
  } catch (const UsageError& error) {
    EXPECT_EQ(std::string(error.what()),
              "[toy:two-gaussians?num=20] the model has no class of this name: got upper-right, "
              "expected names of its classes: lower-left, uper-right. Did you mean 'uper-right'?");
  }
  // More classes than the model has, which would be beyond its labels.
  EXPECT_THROW(make_constraint("data_set", kTwoGaussians, plane_context({"lower-left"})),
               UsageError);
  // A model that is told nothing does not care.
  ConstraintContext told_nothing = plane_context({"one", "two"});
  told_nothing.label_dim = 0;
  EXPECT_NO_THROW(make_constraint("data_set", kTwoGaussians, told_nothing));
}

TEST(DenoisingConstraint, DrawsFollowItsOwnSeedAndImageNumbers) {
  ConstraintContext context = line_context(hump_set(0.5, 50));
  const auto first = loss_on(context);
  const GaussianMixture denoiser = two_humps(0.5);
  const at::Tensor whole = first->losses(denoiser, 0, 12);
  EXPECT_TRUE(at::equal(whole.slice(0, 5, 9), first->losses(denoiser, 5, 4)));
  context.seed = 12;
  EXPECT_FALSE(at::equal(whole, loss_on(context)->losses(denoiser, 0, 12)));
}

diffusion::ModelConfig line_model() {
  return {.sigma_data = 1,
          .shape = {.resolution = 0, .channels = 1, .label_dim = 0},
          .network = {{"type", "MLP"}, {"hidden", 16}, {"layers", 2}}};
}

TEST(PretrainedConstraint, IsExactlyZeroAtThePretrainedWeights) {
  const io::ScratchFolder scratch;
  const auto pretrained = diffusion::make_denoiser(line_model(), 3);
  diffusion::save_model(scratch / "pretrained.safetensors", *pretrained, line_model());
  ConstraintContext context = line_context(hump_set(0.5, 20), {});
  context.start = scratch / "pretrained.safetensors";
  const auto constraint = make_constraint("pretrained", nlohmann::json::object(), context);
  EXPECT_EQ(constraint->floor().value, 0);
  EXPECT_EQ(constraint->num_images(), 0);

  const at::Tensor losses = constraint->losses(*pretrained, 0, 32);
  EXPECT_EQ(losses.abs().max().item<double>(), 0);
  DualAscent ascent(DualConfig{}, {1e-3}, {0});
  ascent.step({losses.mean().item<double>()});
  EXPECT_EQ(ascent.multipliers()[0], 0);
  for (const at::Tensor& gradient :
       torch::autograd::grad({losses.sum()}, pretrained->parameters(), {}, true, false, true))
    EXPECT_TRUE(!gradient.defined() || gradient.abs().max().item<double>() == 0);

  const auto other = diffusion::make_denoiser(line_model(), 4);
  EXPECT_GT(mean_loss(*constraint, *other, 32), 0);
  EXPECT_GT(constraint->heldout_loss(*other), 0);
  EXPECT_EQ(constraint->heldout_loss(*pretrained), 0);
}

TEST(PretrainedConstraint, NeedsAModelThatFits) {
  ConstraintContext context = line_context(hump_set(0.5, 20), {});
  EXPECT_THROW(make_constraint("pretrained", nlohmann::json::object(), context), UsageError);
  const io::ScratchFolder scratch;
  diffusion::ModelConfig plane = line_model();
  plane.shape.channels = 2;
  diffusion::save_model(scratch / "plane.safetensors", *diffusion::make_denoiser(plane, 1), plane);
  EXPECT_THROW(make_constraint("pretrained", {{"model", scratch / "plane.safetensors"}}, context),
               UsageError);
}

/// A denoiser given by a formula, with a[k] h_k(x) added, h = 1, x, tanh x.
class Perturbed : public diffusion::Denoiser {
 public:
  using Formula = std::function<at::Tensor(const at::Tensor& x, const at::Tensor& sigma)>;
  Perturbed(Formula formula, at::Tensor a) : formula_(std::move(formula)), a_(std::move(a)) {}
  at::Tensor denoise(const at::Tensor& x, const at::Tensor& sigma,
                     const diffusion::Conditions&) const override {
    return formula_(x, sigma) + a_[0] + a_[1] * x + a_[2] * x.tanh();
  }

 private:
  Formula formula_;
  at::Tensor a_;
};

// The Lagrangian's minimiser over all functions weighs the two predictions by the densities of what
// they are asked about:
//   D(x) = (p(x) D_new(x) + lambda phi(x) D_old(x)) / (p(x) + lambda phi(x)),   phi = N(0, sigma^2 + sigma_data^2)
// There its derivative along any function vanishes: standard errors of the three means are at most
// 0.02, five of them fail once in 2 million; at other multipliers it is plainly not zero.
TEST(PretrainedConstraint, MinimiserWeighsOldAndNewByDensity) {
  constexpr int64_t kDraws = 200'000;
  constexpr double kLambda = 0.7;
  const ConstraintContext context =
      line_context(hump_set(1, kDraws), {.law = "edm", .p_mean = 0, .p_std = 0});
  const GaussianMixture law_new = two_humps(1), law_old = two_humps(0),
                        noise = diffusion::isotropic_gaussian({0}, 1);
  const auto blend = [&](const at::Tensor& x, const at::Tensor& sigma) {
    const at::Tensor p = law_new.log_density(x, sigma).exp().unsqueeze(1),
                     phi = kLambda * noise.log_density(x, sigma).exp().unsqueeze(1);
    return (p * law_new.denoise(x, sigma) + phi * law_old.denoise(x, sigma)) / (p + phi);
  };
  const auto data = loss_on(context);
  const PretrainedConstraint closeness(
      {.frozen = std::make_shared<GaussianMixture>(law_old), .item_shape = {1}}, context);
  const at::Tensor a = at::zeros({3}).set_requires_grad(true);
  const Perturbed minimiser(blend, a);
  const auto slope = [&](double lambda) {
    const at::Tensor lagrangian = data->losses(minimiser, 0, kDraws).mean() +
                                  lambda * closeness.losses(minimiser, 0, kDraws).mean();
    return torch::autograd::grad({lagrangian}, {a}).front();
  };
  EXPECT_LT(slope(kLambda).abs().max().item<double>(), 0.1);
  EXPECT_GT(slope(2 * kLambda).abs().max().item<double>(), 0.4);
}

TEST(CheckReachable, StatesTheFloorInOneSentence) {
  const Floor floor{.value = 0.25, .standard_error = 0.01};
  EXPECT_NO_THROW(check_reachable("four", 0.26, floor, 0));
  EXPECT_NO_THROW(check_reachable("four", 0, floor, 0.1));
  try {
    check_reachable("four", 0.2, floor, 0);
    FAIL() << "no error";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("constraints.four.threshold"));
    EXPECT_THAT(error.what(), HasSubstr("got 0.2, expected more than the floor 0.25 (standard"));
  }
}

TEST(ConstraintRegistry, EveryKindExplainsItselfAndRefusesUnknownOptions) {
  EXPECT_THAT(ConstraintRegistry::instance().names(),
              testing::ElementsAre("data_set", "group", "pretrained"));
  for (const auto& [name, entry] : ConstraintRegistry::instance().entries()) {
    EXPECT_FALSE(entry.info.summary.empty() || entry.info.source.empty() ||
                 entry.info.use_when.empty() || entry.make.options_help().empty())
        << name;
    EXPECT_THROW(entry.make.check({{"grupo", "4"}}), UsageError) << name;
  }
}

}  // namespace
}  // namespace equipoise::train
