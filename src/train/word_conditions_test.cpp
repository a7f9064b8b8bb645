#include "train/word_conditions.h"

#include <gtest/gtest.h>

#include "core/libtorch.h"
#include "core/random.h"
#include "train/denoiser_task.h"

namespace equipoise::train {
namespace {

constexpr int64_t kNumPoints = 12;

// Group 0 is shown words 0 and 2, group 1 words 1 and 2.
const data::WordSchedule kSchedule{.words = {{0, 2}, {1, 2}}};

std::shared_ptr<const data::ImageSet> points() {
  auto set = std::make_shared<data::ImageSet>();
  set->images = random_normal(1, Purpose::kToyData, at::arange(kNumPoints), {2});
  set->labels = at::arange(kNumPoints).remainder(2);
  set->class_names = {"left", "right"};
  return set;
}

struct Case {
  explicit Case(data::Law law)
      : source(std::make_shared<data::BatchSource>(
            points(), at::arange(8), at::arange(8, 12),
            data::BatchSource::Options{.law = law, .augment = {}})),
        conditions(
            std::make_shared<WordConditions>(WordConditions::Parts{.schedule = kSchedule,
                                                                   .embeddings = at::eye(3) * 2,
                                                                   .num_biased = 8,
                                                                   .num_reference = 4,
                                                                   .seed = 3})) {}
  /// Times each image is shown each word, over images 0 … count - 1 of training.
  at::Tensor table(int64_t count) const {
    const data::Batch batch = source->batch(0, count);
    const at::Tensor words = conditions->words_of(batch, source->law());
    at::Tensor times = at::zeros({kNumPoints, 3}, at::kLong);
    for (int64_t i = 0; i < count; ++i)
      times[batch.indices[i].item<int64_t>()][words[i].item<int64_t>()] += 1;
    return times;
  }

  std::shared_ptr<data::BatchSource> source;
  std::shared_ptr<const WordConditions> conditions;
};

at::Tensor expected_times(int64_t of_biased, int64_t of_reference) {
  at::Tensor times = at::zeros({kNumPoints, 3}, at::kLong);
  for (int64_t i = 0; i < kNumPoints; ++i)
    for (const int64_t word : {i % 2, int64_t{2}})
      times[i][word] = i < 8 ? of_biased : of_reference;
  return times;
}

TEST(WordConditions, EveryImageMeetsEachOfItsWordsOnceInTwoPasses) {
  EXPECT_TRUE(at::equal(Case(data::Law::kBiased).table(16), expected_times(1, 0)));
  EXPECT_TRUE(at::equal(Case(data::Law::kReference).table(8), expected_times(0, 1)));
  // Of 32 images 16 are from each set: two passes of one, four of the other.
  EXPECT_TRUE(at::equal(Case(data::Law::kHalfAndHalf).table(32), expected_times(1, 2)));
}

TEST(WordConditions, DependOnTheImageNumberAlone) {
  const Case half(data::Law::kHalfAndHalf);
  const auto words = [&](int64_t first, int64_t count) {
    return half.conditions->words_of(half.source->batch(first, count), half.source->law());
  };
  EXPECT_TRUE(at::equal(words(0, 30).slice(0, 20, 30), words(20, 10)));
}

/// Remembers what it is handed.
class Listener : public objectives::Objective {
 public:
  diffusion::TrainingSet training_set() const override { return diffusion::TrainingSet::kBiased; }
  at::Tensor loss(const diffusion::Denoiser&, const diffusion::NoisyBatch& batch,
                  const diffusion::Conditions& conditions) const override {
    labels = conditions.class_labels;
    noisy = batch;
    return at::zeros_like(batch.clean);
  }
  mutable at::Tensor labels;
  mutable diffusion::NoisyBatch noisy;
};

DenoiserTask::Parts parts_of(const Case& set, const std::string& preconditioning,
                             std::shared_ptr<const objectives::Objective> objective) {
  DenoiserTask::Parts parts;
  parts.denoiser =
      diffusion::make_denoiser({.preconditioning = preconditioning,
                                .shape = {.resolution = 0, .channels = 2, .label_dim = 3},
                                .network = {{"type", "MLP"}}},
                               0);
  parts.objective = std::move(objective);
  parts.source = set.source;
  parts.words = set.conditions;
  return parts;
}

TEST(DenoiserTask, TellsTheDenoiserWordsInPlaceOfClasses) {
  const Case set(data::Law::kBiased);
  const auto listener = std::make_shared<Listener>();
  DenoiserTask(parts_of(set, "edm", listener)).loss_sum(0, 8);
  const data::Batch batch = set.source->batch(0, 8);
  EXPECT_TRUE(at::equal(
      listener->labels,
      2 * at::one_hot(set.conditions->words_of(batch, data::Law::kBiased), 3).to(at::kFloat)));
}

TEST(DenoiserTask, TrainsDiscreteTimeModelsAtTheirOwnLevels) {
  const Case set(data::Law::kBiased);
  const auto listener = std::make_shared<Listener>();
  DenoiserTask::Parts parts = parts_of(set, "ddpm_linear_1000", listener);
  parts.noise.law = "vp";
  DenoiserTask(parts).loss_sum(0, 8);
  const diffusion::NoisyBatch& seen = listener->noisy;
  const at::Tensor level = parts.denoiser->round_sigma(seen.sigma);
  EXPECT_TRUE(at::allclose(level.to(at::kFloat), seen.sigma, 1e-6, 0));
  EXPECT_TRUE(at::allclose(seen.loss_weight, 1 / seen.sigma.square()));
  // The noise itself is as without rounding.
  const at::Tensor noise =
      random_normal(parts.seed, Purpose::kNoise, at::arange(8), {2}) * seen.sigma.unsqueeze(1);
  EXPECT_TRUE(at::allclose(seen.noisy, seen.clean + noise, 1e-4, 1e-5));
}

}  // namespace
}  // namespace equipoise::train
