// Training on labels of which some are wrong, on a toy whose every law is known: two classes,
// N(-1, 1/16) and N(1, 1/16), three labels in ten of the other class.
#include <gtest/gtest.h>

#include "core/random.h"
#include "core/libtorch.h"
#include "data/label_noise.h"
#include "diffusion/label_fixture.h"
#include "diffusion/noisy_classifier.h"
#include "samplers/sample_images.h"
#include "train/denoiser_task.h"
#include "train/noisy_classifier_task.h"

namespace equipoise::train {
namespace {

using data::BatchSource;
using diffusion::GaussianMixture;

constexpr int64_t kNumPoints = 8000;

at::Tensor true_labels() {
  return at::arange(kNumPoints, at::kLong).remainder(2);
}

at::Tensor shown_labels(const at::Tensor& S) {
  return data::noisy_labels(true_labels(), at::arange(kNumPoints), S, "exact", /*seed=*/3);
}

std::shared_ptr<const data::ImageSet> points(const at::Tensor& labels) {
  auto set = std::make_shared<data::ImageSet>();
  set->images = random_normal(1, Purpose::kToyData, at::arange(kNumPoints), {1}) / 4 +
                (2 * true_labels().to(at::kFloat) - 1).unsqueeze(1);
  set->labels = labels;
  set->class_names = {"left", "right"};
  return set;
}

std::shared_ptr<const BatchSource> source_of(const at::Tensor& labels) {
  return std::make_shared<BatchSource>(
      points(labels), at::arange(kNumPoints), at::empty({0}, at::kLong),
      BatchSource::Options{.law = data::Law::kBiased, .augment = {}});
}

LoopConfig short_training(int64_t images) {
  return {.images = images,
          .batch_size = 128,
          .micro_batch_size = 128,
          .lanes = 1,
          .learning_rate = 1e-2,
          .ramp_images = 1000,
          .ema = {.half_life_kimg = 2},
          .tick_images = images};
}

/// A classifier of noisy points, trained on labels shown as S has them.
struct TrainedClassifier {
  explicit TrainedClassifier(const at::Tensor& S, const at::Tensor& corrected_by,
                             std::shared_ptr<reweight::LearnedTransition> learned = nullptr)
      : network(nets::make_discriminator_network(
            {{"type", "MLP"}, {"hidden", 32}, {"layers", 2}, {"outputs", 2}}, {0, 1, 0}, 5)) {
    NoisyClassifierTask::Parts parts;
    parts.network = network;
    parts.source = source_of(shown_labels(S));
    parts.law.time_law = "denoiser";
    parts.transition = corrected_by;
    parts.learned_transition = learned;
    std::vector<at::Tensor> parameters = network->trainable_parameters();
    if (learned) parameters.push_back(learned->parameters()[0]);
    Progress silent;
    run_loop(NoisyClassifierTask(parts), parameters, short_training(60'000), {}, "classifier",
             silent);
  }

  /// Probability of class 1 at a point, at little noise.
  double probability(double x) const {
    const diffusion::NoisyClassifier classifier(network,
                                                {.time_map = "linear", .labels = {"0", "1"}});
    return classifier.log_posterior(at::full({1, 1}, x), at::full({1}, 0.1))
        .exp()[0][1]
        .item<double>();
  }

  std::shared_ptr<nets::DiscriminatorNetwork> network;
};

TEST(NoisyClassifierTask, LearnsTrueClassesFromWrongLabelsWhenToldHowTheyGoWrong) {
  // Not symmetric: a transposed matrix would give 0.75 / 0.67 in the place of 0.9 / 0.6.
  const at::Tensor S = diffusion::matrix_of({{0.9, 0.1}, {0.4, 0.6}});
  const TrainedClassifier corrected(S, S), believing(S, {});
  EXPECT_LT(corrected.probability(-1), 0.05);
  EXPECT_GT(corrected.probability(1), 0.95);
  EXPECT_NEAR(believing.probability(-1), 0.1, 0.05);
  EXPECT_NEAR(believing.probability(1), 0.6, 0.05);
}

TEST(NoisyClassifierTask, LearnsTheMatrixWithTheClassifier) {
  const at::Tensor S = diffusion::matrix_of({{0.9, 0.1}, {0.4, 0.6}});
  const auto learned = std::make_shared<reweight::LearnedTransition>(2);
  const TrainedClassifier classifier(S, {}, learned);
  EXPECT_LT((learned->matrix() - S).abs().max().item<double>(), 0.05);
  EXPECT_LT(classifier.probability(-1), 0.1);
  EXPECT_GT(classifier.probability(1), 0.9);
}

/// Share of samples drawn for a class that lie on its side of 0.
double share_in_the_right_mode(const char* objective) {
  const at::Tensor S = data::symmetric_noise(2, 0.3);
  const auto law = std::make_shared<const GaussianMixture>(
      std::vector<GaussianMixture::Component>{{0.5, {-1}, 0.25}, {0.5, {1}, 0.25}});
  const objectives::ObjectiveInputs inputs{
      .labels = {.transition = S,
                 .posterior = std::make_shared<diffusion::MixturePosterior>(law, 2)}};
  const auto denoiser =
      diffusion::make_denoiser({.sigma_data = 1,
                                .shape = {.resolution = 0, .channels = 1, .label_dim = 2},
                                .network = {{"type", "MLP"}, {"hidden", 48}, {"layers", 2}}},
                               /*init_seed=*/7);
  DenoiserTask::Parts parts;
  parts.denoiser = denoiser;
  parts.objective = objectives::ObjectiveRegistry::instance().find(objective).make.make(
      nlohmann::json::object(), inputs);
  parts.source = source_of(shown_labels(S));
  parts.noise = {.p_mean = 0, .p_std = 1.2};
  parts.sigma_data = 1;
  Progress silent;
  run_loop(DenoiserTask(parts), denoiser->parameters(), short_training(100'000), {}, objective,
           silent);

  constexpr int64_t kNumSamples = 2000;
  const at::Tensor classes = at::arange(kNumSamples, at::kLong).remainder(2);
  const auto heun = samplers::SamplerRegistry::instance().find("heun").make.make({{"steps", 12}});
  const at::Tensor samples =
      samplers::sample_images(*denoiser, *heun,
                              {.seeds = at::arange(kNumSamples),
                               .item_shape = {1},
                               .class_labels = at::one_hot(classes, 2).to(at::kFloat)},
                              {.batch_size = 500, .chunk_size = 500}, silent)
          .images;
  return samples.squeeze(1).gt(0).eq(classes.eq(1)).to(at::kDouble).mean().item<double>();
}

// 2,000 samples: 0.7 strays by more than 0.05 through chance alone with probability 1e-6.
TEST(Tdsm, GeneratesTheClassThatWasAskedFor) {
  EXPECT_NEAR(share_in_the_right_mode("dsm_bias"), 0.7, 0.05) << "plain: as wrong as the labels";
  EXPECT_GT(share_in_the_right_mode("tdsm"), 0.97);
}

/// Remembers the labels it is handed.
class LabelListener : public objectives::Objective {
 public:
  diffusion::TrainingSet training_set() const override { return diffusion::TrainingSet::kBiased; }
  at::Tensor loss(const diffusion::Denoiser&, const diffusion::NoisyBatch& batch,
                  const diffusion::Conditions& conditions) const override {
    heard = conditions.class_labels;
    return at::zeros_like(batch.clean);
  }
  mutable at::Tensor heard;
};

// 4,000 labels: a share of 0.2 strays by more than 0.03 with probability 2e-6.
TEST(DenoiserTask, DropsLabelsByImageNumber) {
  const auto listener = std::make_shared<LabelListener>();
  DenoiserTask::Parts parts;
  parts.denoiser = diffusion::make_denoiser(
      {.shape = {.resolution = 0, .channels = 1, .label_dim = 2}, .network = {{"type", "MLP"}}}, 0);
  parts.objective = listener;
  parts.source = source_of(true_labels());
  parts.seed = 11;
  const auto labels_with = [&](double dropout, int64_t first, int64_t count) {
    parts.label_dropout = dropout;
    DenoiserTask(parts).loss_sum(first, count);
    return listener->heard.clone();
  };
  const at::Tensor whole = labels_with(0, 0, 4000), dropped = labels_with(0.2, 0, 4000);
  EXPECT_TRUE(whole.sum(1).eq(1).all().item<bool>());
  const at::Tensor is_dropped = dropped.sum(1).eq(0);
  EXPECT_NEAR(is_dropped.to(at::kDouble).mean().item<double>(), 0.2, 0.03);
  EXPECT_TRUE(at::equal(dropped, whole * is_dropped.logical_not().unsqueeze(1)));
  EXPECT_TRUE(at::equal(labels_with(0.2, 100, 50), dropped.slice(0, 100, 150)));
}

}  // namespace
}  // namespace equipoise::train
