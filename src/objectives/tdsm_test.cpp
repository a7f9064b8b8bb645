// Worked examples of tdsm and s_dsm: whose predictions are averaged, what is learnt, what it costs.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "data/label_noise.h"
#include "objectives/objective_fixture.h"

namespace equipoise::objectives {
namespace {

using diffusion::Conditions;
using diffusion::FixedPosterior;
using diffusion::GaussianMixture;
using diffusion::LabelModel;
using diffusion::matrix_of;
using diffusion::NoisyBatch;

/// D(x; sigma, c) = table[c], or `null_value` without a label; remembers what it was asked.
class TableDenoiser : public diffusion::Denoiser {
 public:
  explicit TableDenoiser(at::Tensor table, double null_value = 7)
      : table_(std::move(table)), null_value_(null_value) {}
  at::Tensor denoise(const at::Tensor& x, const at::Tensor& sigma,
                     const Conditions& conditions) const override {
    calls.push_back({x, sigma, conditions.class_labels, conditions.augment_labels,
                     conditions.randomness ? conditions.randomness->image_numbers : at::Tensor()});
    const at::Tensor labels = conditions.class_labels.to(table_.options());
    const at::Tensor value = labels.matmul(table_) + null_value_ * (1 - labels.sum(1));
    return value.unsqueeze(1).expand(x.sizes());
  }
  int64_t rows() const {
    int64_t sum = 0;
    for (const Call& call : calls) sum += call.x.size(0);
    return sum;
  }

  struct Call {
    at::Tensor x, sigma, labels, augment_labels, image_numbers;
  };
  mutable std::vector<Call> calls;

 private:
  at::Tensor table_;
  double null_value_;
};

/// D(x; sigma, c) of classes N(mean_c, 1).
class ClassLaws : public diffusion::Denoiser {
 public:
  explicit ClassLaws(const std::vector<double>& means) : means_(at::tensor(means, at::kDouble)) {}
  at::Tensor denoise(const at::Tensor& x, const at::Tensor& sigma,
                     const Conditions& conditions) const override {
    const at::Tensor mean = conditions.class_labels.to(at::kDouble).matmul(means_).unsqueeze(1);
    return mean + (x - mean) / (1 + sigma.square().unsqueeze(1));
  }

 private:
  at::Tensor means_;
};

Conditions labelled(const std::vector<int64_t>& labels, int64_t num_classes) {
  return {.class_labels = at::one_hot(at::tensor(labels, at::kLong), num_classes).to(at::kFloat)};
}

LabelModel fixed_labels(const at::Tensor& S, const std::vector<double>& posterior) {
  return {.transition = S, .posterior = std::make_shared<FixedPosterior>(posterior)};
}

/// `count` one-number items of value `clean` at x = 0, sigma = 1.
NoisyBatch items_of(const at::Tensor& clean) {
  const at::Tensor values = clean.to(at::kDouble).unsqueeze(1);
  return batch_at(values, at::zeros_like(values), 1);
}
NoisyBatch zeros(int64_t count) {
  return items_of(at::zeros({count}, at::kDouble));
}

at::Tensor table_of(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble).set_requires_grad(true);
}

/// Predictions whose squares are the losses of items with clean = 0, lambda = 1.
at::Tensor predictions(const Objective& objective, const TableDenoiser& denoiser,
                       const Conditions& conditions) {
  const NoisyBatch batch = zeros(conditions.class_labels.size(0));
  return objective.loss(denoiser, batch, conditions).squeeze(1).sqrt().detach();
}

at::Tensor gradient_of(const Objective& objective, at::Tensor table, const NoisyBatch& batch,
                       const Conditions& conditions) {
  const at::Tensor loss = objective.loss(TableDenoiser(table), batch, conditions).sum();
  return torch::autograd::grad({loss}, {table}).front();
}

TEST(Tdsm, AveragesThePredictionsOfAllClasses) {
  const auto objective = make_objective("tdsm", {.labels = toy_labels()});
  const TableDenoiser denoiser(table_of({1, 10, 100}));
  const at::Tensor mean = predictions(*objective, denoiser, labelled({0, 1, 2}, 3));
  const at::Tensor weights = matrix_of(
      {{0.853659, 0.073171, 0.073171}, {0.256410, 0.615385, 0.128205}, {0.25, 0.15, 0.6}});
  const at::Tensor expected = weights.matmul(at::tensor({1.0, 10.0, 100.0}, at::kDouble));
  EXPECT_LT((mean - expected).abs().max().item<double>(), 2e-4);
}

TEST(Tdsm, RightLabelsGiveThePlainLossAndGradientForOneCall) {
  const auto objective = make_objective("tdsm", {.labels = right_labels()});
  const auto plain = make_objective("dsm_bias", nullptr);
  const NoisyBatch batch = items_of(at::tensor({0.3, -1.0, 2.0}));
  const Conditions conditions = labelled({0, 2, 1}, 3);
  const TableDenoiser denoiser(table_of({1, 2, 3}));
  EXPECT_TRUE(at::equal(objective->loss(denoiser, batch, conditions),
                        plain->loss(denoiser, batch, conditions)));
  EXPECT_TRUE(at::equal(gradient_of(*objective, table_of({1, 2, 3}), batch, conditions),
                        gradient_of(*plain, table_of({1, 2, 3}), batch, conditions)));
  EXPECT_EQ(denoiser.calls.size(), 2u) << "one for each objective";
}

TEST(Tdsm, MinimiserIsTheDenoiserOfEachClass) {
  const std::vector<double> means{-2, 0.5, 3};
  std::vector<GaussianMixture::Component> components;
  for (const double mean : means) components.push_back({1.0 / 3, {mean}, 1});
  const LabelModel labels{.transition = diffusion::three_class_transition(),
                          .posterior = std::make_shared<diffusion::MixturePosterior>(
                              std::make_shared<const GaussianMixture>(components), 3)};
  const at::Tensor R = diffusion::reversed_transition(labels.transition);
  for (const double sigma : {0.3, 0.9, 3.0}) {
    for (int64_t shown = 0; shown < 3; ++shown) {
      // The loss is quadratic in the clean image, whose mean given x and the label shown is that
      // of a mixture of the classes.
      std::vector<GaussianMixture::Component> parts;
      for (int64_t c = 0; c < 3; ++c)
        parts.push_back({R[shown][c].item<double>(), {means[static_cast<size_t>(c)]}, 1});
      const at::Tensor x = at::full({1, 1}, 0.7, at::kDouble);
      const at::Tensor clean = GaussianMixture(parts).denoise(x, at::full({1}, sigma, at::kDouble));
      const NoisyBatch batch = batch_at(clean, x, sigma);
      const auto excess = [&](const char* name) {
        const nlohmann::json options = std::string(name) == "dsm_bias"
                                           ? nlohmann::json::object()
                                           : nlohmann::json{{"skip_below", 0}};
        return make_objective(name, {.labels = labels}, options)
            ->loss(ClassLaws(means), batch, labelled({shown}, 3))
            .item<double>();
      };
      EXPECT_LT(excess("tdsm"), 1e-16) << sigma << " " << shown;
      EXPECT_GT(excess("dsm_bias"), 1e-6) << "plain: the law of a label is not that of its class";
      EXPECT_GT(excess("s_dsm"), 1e-6) << "the image must be looked at";
    }
  }
}

TEST(Tdsm, AnUninformativeClassifierMakesItTheStaticAblation) {
  const at::Tensor S = data::asymmetric_noise({1, 1, 0}, 0.4);
  const LabelModel labels = fixed_labels(S, {1.0 / 3, 1.0 / 3, 1.0 / 3});
  const auto loss = [&](const char* name) {
    return make_objective(name, {.labels = labels})
        ->loss(TableDenoiser(table_of({1, -2, 4})), zeros(3), labelled({0, 1, 2}, 3));
  };
  EXPECT_LT((loss("tdsm") - loss("s_dsm")).abs().max().item<double>(), 1e-12);
}

TEST(Tdsm, APerfectClassifierCorrectsTheLabel) {
  const auto objective =
      make_objective("tdsm", {.labels = fixed_labels(data::symmetric_noise(3, 0.4), {0, 1, 0})});
  const TableDenoiser denoiser(table_of({1, 10, 100}));
  EXPECT_TRUE(at::equal(predictions(*objective, denoiser, labelled({0, 1, 2}, 3)),
                        at::full({3}, 10.0, at::kDouble)));
}

/// S and h of which the weights are ((w00, 1 - w00), (1 - w11, w11)) when label 0 has `mass`.
LabelModel two_classes(double w00, double w11, double mass) {
  const double h0 = w00 * mass + (1 - w11) * (1 - mass);
  const double s00 = w00 * mass / h0, s11 = w11 * (1 - mass) / (1 - h0);
  return fixed_labels(matrix_of({{s00, 1 - s00}, {1 - s11, s11}}), {h0, 1 - h0});
}

/// Half-gradient steps of 0.5 on D(x; 0), D(x; 1) at one x, from (0, 0), when the best are (1, -2).
at::Tensor descend(const char* gradient, double w00, double w11, double mass, int steps) {
  const auto objective = make_objective("tdsm", {.labels = two_classes(w00, w11, mass)},
                                        {{"gradient", gradient}, {"skip_below", 0}});
  const at::Tensor W = matrix_of({{w00, 1 - w00}, {1 - w11, w11}});
  const NoisyBatch batch = items_of(W.matmul(at::tensor({1.0, -2.0}, at::kDouble)));
  const at::Tensor masses = at::tensor({mass, 1 - mass}, at::kDouble).unsqueeze(1);
  at::Tensor table = table_of({0, 0});
  for (int step = 0; step < steps; ++step) {
    const at::Tensor loss =
        (masses * objective->loss(TableDenoiser(table), batch, labelled({0, 1}, 2))).sum();
    const at::Tensor gradient_now = torch::autograd::grad({loss}, {table}).front();
    table = (table.detach() - 0.25 * gradient_now).set_requires_grad(true);
  }
  return table.detach();
}

TEST(Tdsm, EitherGradientLeadsToTheSameSolution) {
  const at::Tensor best = at::tensor({1.0, -2.0}, at::kDouble);
  for (const char* gradient : {"own", "all"})
    EXPECT_LT((descend(gradient, 0.8, 0.65, 0.6, 500) - best).abs().max().item<double>(), 1e-6)
        << gradient;
}

TEST(Tdsm, OnlyTheWholeGradientSurvivesMoreWrongLabelsThanRightOnes) {
  const at::Tensor best = at::tensor({1.0, -2.0}, at::kDouble);
  EXPECT_LT((descend("all", 0.3, 0.3, 0.5, 500) - best).abs().max().item<double>(), 1e-6);
  EXPECT_GT((descend("own", 0.3, 0.3, 0.5, 300) - best).abs().max().item<double>(), 100);
}

TEST(Tdsm, OnlyTheShownLabelsPredictionLearns) {
  const NoisyBatch batch = zeros(1);
  const LabelModel labels = toy_labels();
  const at::Tensor own = gradient_of(*make_objective("tdsm", {.labels = labels}),
                                     table_of({1, 2, 3}), batch, labelled({1}, 3));
  EXPECT_EQ(own[0].item<double>(), 0);
  EXPECT_NE(own[1].item<double>(), 0);
  EXPECT_EQ(own[2].item<double>(), 0);
  // What it is: 2 w_1 (sum_c w_c D_c - x0), the others held fast.
  const double mean = 0.256410 + 2 * 0.615385 + 3 * 0.128205;
  EXPECT_NEAR(own[1].item<double>(), 2 * 0.615385 * mean, 1e-5);
  const at::Tensor all =
      gradient_of(*make_objective("tdsm", {.labels = labels}, {{"gradient", "all"}}),
                  table_of({1, 2, 3}), batch, labelled({1}, 3));
  EXPECT_TRUE(all.ne(0).all().item<bool>());
}

TEST(Tdsm, LabelsThatAreAllSwappedCanBeLearntFromWithTheWholeGradientOnly) {
  const LabelModel labels = fixed_labels(matrix_of({{0, 1}, {1, 0}}), {0.5, 0.5});
  const auto gradient = [&](const char* which) {
    return gradient_of(*make_objective("tdsm", {.labels = labels}, {{"gradient", which}}),
                       table_of({3, 5}), zeros(1), labelled({0}, 2));
  };
  EXPECT_TRUE(at::equal(gradient("own"), at::zeros({2}, at::kDouble)));
  EXPECT_TRUE(at::equal(gradient("all"), at::tensor({0.0, 10.0}, at::kDouble)));
}

TEST(Tdsm, CostsACallForEveryClassAboveTheThreshold) {
  const std::vector<double> posterior{0.91, 0.03, 0.03, 0.02, 0.01};
  const LabelModel labels = fixed_labels(data::symmetric_noise(5, 0.4), posterior);
  const at::Tensor weights = diffusion::PosteriorLabelWeights(labels).weights(
      zeros(1).noisy, at::ones({1}), at::tensor({3L}));
  for (const double skip : {0.0, 0.004, 0.1, 1.0}) {
    const auto objective =
        make_objective("tdsm", {.labels = labels}, {{"skip_below", skip}, {"renormalise", false}});
    const TableDenoiser denoiser(table_of({1, 1, 1, 1, 1}));
    const at::Tensor mass = predictions(*objective, denoiser, labelled({3}, 5));
    at::Tensor is_used = weights[0] > skip;
    is_used[3] = true;
    EXPECT_EQ(static_cast<int64_t>(denoiser.calls.size()), is_used.sum().item<int64_t>()) << skip;
    EXPECT_NEAR(mass.item<double>(), weights[0].masked_select(is_used).sum().item<double>(), 1e-7);
  }
  // In a batch the calls are shared: as many rows, at most a batch of them at once.
  const TableDenoiser denoiser(table_of({1, 1, 1, 1, 1}));
  make_objective("tdsm", {.labels = labels}, {{"skip_below", 0}})
      ->loss(denoiser, zeros(6), labelled({3, 3, 3, 3, 3, 3}, 5));
  EXPECT_EQ(denoiser.rows(), 6 * 5);
  EXPECT_EQ(denoiser.calls.size(), 5u);
}

TEST(Tdsm, ManySmallWeightsLeftOutDoNotShrinkThePrediction) {
  // 100 classes, a classifier that knows nothing: 0.6 of the weight on the label, the rest in 99
  // parts below the threshold.
  const LabelModel labels =
      fixed_labels(data::symmetric_noise(100, 0.4), std::vector<double>(100, 0.01));
  const TableDenoiser denoiser(at::ones({100}, at::kDouble));
  const auto mass = [&](bool renormalise) {
    return predictions(*make_objective("tdsm", {.labels = labels}, {{"renormalise", renormalise}}),
                       denoiser, labelled({42}, 100))
        .item<double>();
  };
  EXPECT_NEAR(mass(false), 0.6, 1e-9);
  EXPECT_NEAR(mass(true), 1, 1e-9);
}

TEST(Tdsm, KeepsTheClassesWhenAllOfThemAreBelowTheThreshold) {
  const LabelModel labels =
      fixed_labels(matrix_of({{0, 0.5, 0.5}, {0.5, 0, 0.5}, {0.5, 0.5, 0}}), {0.2, 0.4, 0.4});
  const auto objective = make_objective("tdsm", {.labels = labels}, {{"skip_below", 0.6}});
  const TableDenoiser denoiser(table_of({1, 2, 4}));
  EXPECT_NEAR(predictions(*objective, denoiser, labelled({0}, 3)).item<double>(), 3, 1e-9);
}

TEST(Tdsm, ImagesWithoutALabelAreLearntFromAsTheyAre) {
  const auto objective = make_objective("tdsm", {.labels = toy_labels()});
  Conditions conditions = labelled({0, 1}, 3);
  conditions.class_labels[1].zero_();
  const TableDenoiser denoiser(table_of({1, 2, 3}), 7);
  EXPECT_EQ(predictions(*objective, denoiser, conditions)[1].item<double>(), 7);
  EXPECT_EQ(denoiser.rows(), 4) << "two items, and two more classes for the first of them";
}

TEST(Tdsm, NamesOfClassesDoNotMatter) {
  const at::Tensor order = at::tensor({2L, 0L, 1L});  // new class i is old class order[i]
  const at::Tensor S = diffusion::three_class_transition();
  const auto loss = [](const LabelModel& labels, at::Tensor table, const at::Tensor& shown) {
    return make_objective("tdsm", {.labels = labels})
        ->loss(TableDenoiser(std::move(table)), zeros(3),
               {.class_labels = at::one_hot(shown, 3).to(at::kFloat)});
  };
  const at::Tensor before =
      loss(fixed_labels(S, {0.5, 0.3, 0.2}), table_of({1, -2, 4}), at::tensor({0L, 1L, 2L}));
  const at::Tensor renamed = S.index_select(0, order).index_select(1, order);
  const at::Tensor after =
      loss(fixed_labels(renamed, {0.2, 0.5, 0.3}), table_of({4, 1, -2}), order.argsort());
  EXPECT_LT((before - after).abs().max().item<double>(), 1e-12);
}

TEST(Tdsm, MeanLossOfABatchTwiceOverIsTheSame) {
  const auto objective = make_objective("tdsm", {.labels = toy_labels()});
  const auto mean_loss = [&](const std::vector<int64_t>& labels) {
    return objective
        ->loss(TableDenoiser(table_of({1, 2, 3})), zeros(static_cast<int64_t>(labels.size())),
               labelled(labels, 3))
        .mean()
        .item<double>();
  };
  EXPECT_NEAR(mean_loss({0, 1, 2, 0}), mean_loss({0, 1, 2, 0, 0, 1, 2, 0}), 1e-12);
}

TEST(Tdsm, OtherClassesSeeTheItemsOwnInputs) {
  NoisyBatch batch = zeros(2);
  batch.noisy = at::tensor({5.0, 6.0}, at::kDouble).unsqueeze(1);
  batch.sigma = at::tensor({0.5, 0.25}, at::kDouble);
  const nets::ForwardRandomness randomness{.seed = 1, .image_numbers = at::tensor({10L, 11L})};
  Conditions conditions = labelled({0, 1}, 3);
  conditions.augment_labels = at::tensor({1.0f, 2.0f}).unsqueeze(1);
  conditions.randomness = &randomness;
  for (const char* gradient : {"own", "all"}) {
    const TableDenoiser denoiser(table_of({1, 2, 3}));
    make_objective("tdsm", {.labels = toy_labels()}, {{"gradient", gradient}})
        ->loss(denoiser, batch, conditions);
    ASSERT_EQ(denoiser.calls.size(), 3u);  // own; two rows; two rows
    for (size_t i = 1; i < 3; ++i) {
      const auto& call = denoiser.calls[i];
      const int64_t item = static_cast<int64_t>(i) - 1;
      EXPECT_TRUE(at::equal(call.x, batch.noisy[item].expand({2, 1})));
      EXPECT_TRUE(at::equal(call.sigma, batch.sigma[item].expand({2})));
      EXPECT_TRUE(at::equal(call.augment_labels, conditions.augment_labels[item].expand({2, 1})));
      EXPECT_EQ(call.labels.select(1, item).sum().item<double>(), 0) << "not its own label again";
      if (std::string(gradient) == "all")
        EXPECT_TRUE(at::equal(call.image_numbers, at::tensor({10 + item, 10 + item})));
      else
        EXPECT_FALSE(call.image_numbers.defined()) << "constants are taken without dropout";
    }
  }
}

TEST(Tdsm, SaysWhatItLacks) {
  EXPECT_THROW(make_objective("tdsm", ObjectiveInputs{}), UsageError);
  EXPECT_THROW(make_objective("s_dsm", ObjectiveInputs{}), UsageError);
  const auto objective = make_objective("tdsm", {.labels = toy_labels()});
  const TableDenoiser denoiser(table_of({1, 2, 3}));
  try {
    objective->loss(denoiser, zeros(1), {});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("Set model.conditional = true"));
  }
  EXPECT_THROW(objective->loss(denoiser, zeros(1), labelled({0}, 4)), UsageError);
  const auto broken = make_objective(
      "tdsm", {.labels = fixed_labels(diffusion::three_class_transition(), {NAN, 0.5, 0.5})});
  EXPECT_THROW(broken->loss(denoiser, zeros(1), labelled({0}, 3)), NumericError);
}

}  // namespace
}  // namespace equipoise::objectives
