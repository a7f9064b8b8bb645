#include "guidance/term.h"

#include <fstream>

#include <gtest/gtest.h>

#include "core/error.h"
#include "diffusion/guided_denoiser.h"
#include "diffusion/mixture_law.h"
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

}  // namespace
}  // namespace equipoise::guidance
