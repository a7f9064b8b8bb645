#include "guidance/term.h"

#include <fstream>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "diffusion/guided_denoiser.h"
#include "diffusion/mixture_law.h"
#include "diffusion/model_file.h"
#include "io/scratch_folder.h"

namespace equipoise::guidance {
namespace {

TEST(Terms, EveryOneExplainsItself) {
  for (const auto& [name, entry] : TermRegistry::instance().entries()) {
    EXPECT_FALSE(entry.info.summary.empty()) << name;
    EXPECT_FALSE(entry.info.source.empty()) << name;
    EXPECT_FALSE(entry.info.use_when.empty()) << name;
    EXPECT_NE(entry.make.options_help().find("sigma_min"), std::string::npos) << name;
    EXPECT_THROW(entry.make.make({{"no_such_option", 1}}, {}), UsageError) << name;
  }
}

TEST(Terms, UnknownNamesAreRefused) {
  EXPECT_THROW(make_terms({{{"type", "discriminater"}}}, {}), UsageError);
}

TEST(NetworkFile, IsSoughtBesideTheModel) {
  const io::ScratchFolder folder;
  const TermContext context{.model = folder.path() / "tiw.safetensors"};
  EXPECT_THROW(network_file("", context, "discriminator"), UsageError);
  std::ofstream(folder.path() / "tiw.discriminator.safetensors") << "x";
  EXPECT_EQ(network_file("", context, "discriminator"),
            folder.path() / "tiw.discriminator.safetensors");
  EXPECT_EQ(network_file("other", context, "discriminator"), "other");
}

/// D = 1 without labels, 1 + the sum of labels with them.
class LabelDenoiser : public diffusion::Denoiser {
 public:
  at::Tensor denoise(const at::Tensor& x, const at::Tensor&,
                     const diffusion::Conditions& conditions) const override {
    const at::Tensor one = at::ones_like(x);
    return conditions.class_labels.defined() ? one + conditions.class_labels.sum(1, true) : one;
  }
};

TEST(ClassifierFreeGuidance, ExtrapolatesFromTheUnconditionalModel) {
  const LabelDenoiser denoiser;
  const auto terms =
      make_terms({{{"type", "classifier_free"}, {"scale", 3}, {"sigma_max", 2}}}, {});
  const diffusion::GuidedDenoiser guided(denoiser, terms);
  const diffusion::Visit visit{.x = at::zeros({2, 1}, at::kDouble),
                               .sigma = at::tensor({1.0, 5.0}, at::kDouble),
                               .level = at::zeros({2}, at::kLong),
                               .seeds = at::arange(2),
                               .conditions = {.class_labels = at::full({2, 1}, 0.5, at::kDouble)}};
  const at::Tensor denoised = guided.estimate(visit).guided();
  EXPECT_NEAR(denoised[0].item<double>(), 1 + 3 * 0.5, 1e-14);
  EXPECT_NEAR(denoised[1].item<double>(), 1.5, 1e-14) << "outside the interval: the model itself";
}

/// D_0 = sin x without labels, D_y = sin x + y . (cos x, x^2) / (1 + sigma) with them; counts calls.
class CurvedLabelDenoiser : public diffusion::Denoiser {
 public:
  at::Tensor denoise(const at::Tensor& x, const at::Tensor& sigma,
                     const diffusion::Conditions& conditions) const override {
    ++num_calls;
    if (!conditions.class_labels.defined()) return x.sin();
    const at::Tensor y = conditions.class_labels;
    return x.sin() +
           (y.slice(1, 0, 1) * x.cos() + y.slice(1, 1, 2) * x.square()) / (1 + sigma.unsqueeze(1));
  }
  mutable int64_t num_calls = 0;
};

class ClassifierFree : public testing::Test {
 protected:
  diffusion::Visit visit_with(const at::Tensor& labels) const {
    return {.x = at::tensor({-1.0, 0.4, 2.0}, at::kDouble).unsqueeze(1),
            .sigma = at::tensor({0.1, 1.0, 30.0}, at::kDouble),
            .level = at::zeros({3}, at::kLong),
            .seeds = at::arange(3),
            .conditions = {.class_labels = labels}};
  }
  at::Tensor guided(double scale, const diffusion::Visit& visit) const {
    const auto terms = make_terms({{{"type", "classifier_free"}, {"scale", scale}}}, {});
    denoiser_.num_calls = 0;
    return diffusion::GuidedDenoiser(denoiser_, terms).estimate(visit).guided();
  }

  const CurvedLabelDenoiser denoiser_;
  const at::Tensor labels_ =
      at::tensor({1.0, 0.0, 0.0, 1.0, 0.5, 0.5}, at::kDouble).reshape({3, 2});
};

TEST_F(ClassifierFree, ScaleOneIsTheConditionalModelAtItsPrice) {
  const diffusion::Visit visit = visit_with(labels_);
  const at::Tensor conditional = denoiser_.denoise(visit.x, visit.sigma, visit.conditions);
  EXPECT_TRUE(at::equal(guided(1, visit), conditional));
  EXPECT_EQ(denoiser_.num_calls, 1) << "the unconditional model is not asked";
  guided(2, visit);
  EXPECT_EQ(denoiser_.num_calls, 2);
}

TEST_F(ClassifierFree, ScaleZeroIsTheUnconditionalModel) {
  const diffusion::Visit visit = visit_with(labels_);
  const at::Tensor difference = guided(0, visit) - visit.x.sin();
  EXPECT_LT(difference.abs().max().item<double>(), 1e-15);
}

TEST_F(ClassifierFree, AConditionWithoutEffectMakesTheScaleIrrelevant) {
  const diffusion::Visit visit = visit_with(at::zeros({3, 2}, at::kDouble));
  for (const double scale : {-3.0, 0.0, 1.0, 7.5})
    EXPECT_TRUE(at::equal(guided(scale, visit), visit.x.sin())) << scale;
}

TEST_F(ClassifierFree, IsLinearInItsScale) {
  const diffusion::Visit visit = visit_with(labels_);
  const at::Tensor unconditional = guided(0, visit), effect = guided(1, visit) - unconditional;
  EXPECT_GT(effect.abs().min().item<double>(), 0.01);
  for (const double scale : {-3.0, 0.5, 2.0, 7.5}) {
    const at::Tensor error = guided(scale, visit) - unconditional - scale * effect;
    EXPECT_LT(error.abs().max().item<double>(), 1e-13) << scale;
  }
}

TEST(ClassifierFreeGuidance, RefusesModelsAndImagesWithoutClasses) {
  const LabelDenoiser denoiser;
  const auto terms = make_terms({{{"type", "classifier_free"}}}, {});
  EXPECT_THROW(terms[0]->check_fits({.label_dim = 0}), UsageError);
  const diffusion::Visit visit{.x = at::zeros({1, 1}, at::kDouble),
                               .sigma = at::ones({1}, at::kDouble),
                               .level = at::zeros({1}, at::kLong),
                               .seeds = at::arange(1)};
  EXPECT_THROW(diffusion::GuidedDenoiser(denoiser, terms).estimate(visit), UsageError);
}

class Autoguidance : public testing::Test {
 protected:
  std::string saved(int64_t label_dim, uint64_t seed) const {
    const diffusion::ModelConfig config{
        .shape = {.resolution = 0, .channels = 1, .label_dim = label_dim},
        .network = {{"type", "MLP"}, {"hidden", 8}}};
    const std::string path = folder_ / (std::to_string(label_dim) + ".safetensors");
    const auto denoiser = diffusion::make_denoiser(config, seed);
    const at::NoGradGuard no_grad;  // networks begin with an output of zeros
    for (at::Tensor& weight : denoiser->parameters()) weight += 0.1;
    diffusion::save_model(path, *denoiser, config);
    return path;
  }
  at::Tensor guided(const diffusion::Denoiser& model, const nlohmann::json& options) const {
    nlohmann::json term{{"type", "autoguidance"}};
    term.update(options);
    return diffusion::GuidedDenoiser(model, make_terms(nlohmann::json::array({term}), {}))
        .estimate(visit_)
        .guided();
  }

  const io::ScratchFolder folder_;
  const CurvedLabelDenoiser denoiser_;
  const diffusion::Visit visit_{
      .x = at::tensor({-1.0, 0.4, 2.0}, at::kDouble).unsqueeze(1),
      .sigma = at::tensor({0.1, 1.0, 30.0}, at::kDouble),
      .level = at::zeros({3}, at::kLong),
      .seeds = at::arange(3),
      .conditions = {.class_labels =
                         at::tensor({1.0, 0.0, 0.0, 1.0, 0.5, 0.5}, at::kDouble).reshape({3, 2})}};
};

TEST_F(Autoguidance, IsTheAffineSumOfTwoModels) {
  const std::string file = saved(2, 3);
  const auto worse = diffusion::load_model(file).denoiser;
  const at::Tensor good = denoiser_.denoise(visit_.x, visit_.sigma, visit_.conditions),
                   bad = worse->denoise(visit_.x, visit_.sigma, visit_.conditions);
  for (const double eta : {-1.0, 0.5, 2.0}) {
    const at::Tensor expected = (1 + eta) * good - eta * bad;
    const at::Tensor found = guided(denoiser_, {{"model", file}, {"scale", 1 + eta}});
    EXPECT_LT((found - expected).abs().max().item<double>(), 1e-6) << eta;
  }
  EXPECT_TRUE(at::equal(guided(denoiser_, {{"model", file}, {"scale", 1}}), good));
  const at::Tensor within = guided(denoiser_, {{"model", file}, {"scale", 2}, {"sigma_max", 2}});
  EXPECT_TRUE(at::equal(within[2], good[2])) << "outside the interval: the model itself";
  EXPECT_FALSE(at::equal(within[1], good[1]));
}

TEST_F(Autoguidance, TheWorseModelMayBeToldNothing) {
  const std::string file = saved(0, 4);
  const at::Tensor good = denoiser_.denoise(visit_.x, visit_.sigma, visit_.conditions),
                   bad = diffusion::load_model(file).denoiser->denoise(visit_.x, visit_.sigma);
  const at::Tensor found = guided(denoiser_, {{"model", file}, {"scale", 3}});
  EXPECT_LT((found - (3 * good - 2 * bad)).abs().max().item<double>(), 1e-6);
}

TEST_F(Autoguidance, RefusesNoModelAndOneOfAnotherShape) {
  EXPECT_THROW(make_terms({{{"type", "autoguidance"}}}, {}), UsageError);
  const auto terms = make_terms({{{"type", "autoguidance"}, {"model", saved(2, 5)}}}, {});
  terms[0]->check_fits({.resolution = 0, .channels = 1, .label_dim = 2});
  EXPECT_THROW(terms[0]->check_fits({.resolution = 0, .channels = 1, .label_dim = 3}), UsageError);
  EXPECT_THROW(terms[0]->check_fits({.resolution = 0, .channels = 2, .label_dim = 2}), UsageError);
}

}  // namespace
}  // namespace equipoise::guidance
