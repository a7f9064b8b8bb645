#include "reweight/transition_matrix.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/optim/adam.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"
#include "data/label_noise.h"
#include "diffusion/label_fixture.h"

namespace equipoise::reweight {
namespace {

using diffusion::matrix_of;
using testing::HasSubstr;

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

template <class Body>
std::string error_of(Body body) {
  try {
    body();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

/// Posteriors of true classes of six kinds of image: three that are surely of a class, three not.
at::Tensor posteriors() {
  return matrix_of(
      {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {0.5, 0.3, 0.2}, {0.2, 0.2, 0.6}, {0.34, 0.33, 0.33}});
}

TEST(CountTransition, IsTheShareOfEachLabelWithinAClass) {
  const at::Tensor truth = at::tensor({0L, 0L, 0L, 0L, 1L, 1L});
  const at::Tensor shown = at::tensor({0L, 0L, 0L, 1L, 1L, 0L});
  EXPECT_TRUE(at::equal(count_transition(truth, shown, 2), matrix_of({{0.75, 0.25}, {0.5, 0.5}})));
  EXPECT_TRUE(at::equal(count_transition(truth, truth, 2), at::eye(2, at::kDouble)));
  EXPECT_THAT(error_of([&] { count_transition(truth, shown, 3); }),
              HasSubstr("no image of class 2 has both labels"));
}

// 40,000 labels a class: a frequency strays by more than 4.5 standard errors (0.0113 at most) with
// probability 7e-6 each, 6e-5 for the nine.
TEST(CountTransition, RecoversTheMatrixThatMadeTheNoise) {
  const at::Tensor S = diffusion::three_class_transition();
  const at::Tensor truth = at::arange(120'000, at::kLong).remainder(3);
  const at::Tensor shown =
      data::noisy_labels(truth, at::arange(120'000), S, "independent", /*seed=*/2);
  EXPECT_LT(largest_difference(count_transition(truth, shown, 3), S), 0.0113);
}

TEST(AnchorTransition, ReadsTheRowsWhereClassesAreBeyondDoubt) {
  for (const at::Tensor& S : {diffusion::three_class_transition(), at::eye(3, at::kDouble),
                              data::symmetric_noise(3, 0.4)})
    EXPECT_LT(largest_difference(anchor_transition(posteriors().matmul(S), 1), S), 1e-12);
}

TEST(AnchorTransition, AveragesTheNamedNumberOfAnchors) {
  const at::Tensor posterior = matrix_of({{0.9, 0.1}, {0.7, 0.3}, {0.2, 0.8}, {0.4, 0.6}});
  EXPECT_LT(
      largest_difference(anchor_transition(posterior, 2), matrix_of({{0.8, 0.2}, {0.3, 0.7}})),
      1e-12);
  EXPECT_THAT(error_of([&] { anchor_transition(posterior, 5); }),
              HasSubstr("too few images to find anchors among: got 4, expected at least 5"));
}

TEST(ForwardCorrection, IsTheCrossEntropyOfTheLabelShown) {
  const at::Tensor S = diffusion::three_class_transition();
  const at::Tensor h = matrix_of({{0.5, 0.3, 0.2}}), shown = at::tensor({1L});
  const double g = 0.5 * 0.2 + 0.3 * 0.8 + 0.2 * 0.25;
  EXPECT_NEAR(forward_corrected_losses(h.log(), shown, S).item<double>(), -std::log(g), 1e-12);
  EXPECT_NEAR(forward_corrected_losses(h.log(), shown, at::eye(3, at::kDouble)).item<double>(),
              -std::log(0.3), 1e-10);
}

TEST(ForwardCorrection, IsLeastAtTheTruePosterior) {
  // Labels of one image follow g = S^T h exactly: each of the three, weighted by g.
  const at::Tensor S = diffusion::three_class_transition();
  const at::Tensor h = at::tensor({0.5, 0.3, 0.2}, at::kDouble), g = S.t().matmul(h);
  const auto loss_of = [&](const at::Tensor& logits) {
    const at::Tensor rows = logits.log_softmax(0).unsqueeze(0).expand({3, 3});
    return (g * forward_corrected_losses(rows, at::arange(3), S)).sum();
  };
  const at::Tensor logits = h.log().requires_grad_(true);
  const at::Tensor gradient = torch::autograd::grad({loss_of(logits)}, {logits}).front();
  EXPECT_LT(gradient.abs().max().item<double>(), 1e-15);
  EXPECT_NEAR(loss_of(logits).item<double>(), -(g * g.log()).sum().item<double>(), 1e-12);
  for (int64_t k = 0; k < 3; ++k) {
    at::Tensor moved = h.log();
    moved[k] += 0.1;
    EXPECT_GT(loss_of(moved).item<double>(), loss_of(logits).item<double>());
  }
}

TEST(ForwardCorrection, StaysFiniteForImpossibleLabels) {
  const at::Tensor S = matrix_of({{1, 0}, {1, 0}});
  const at::Tensor logits = at::tensor({2.0, 0.0}, at::kDouble).requires_grad_(true);
  const at::Tensor loss =
      forward_corrected_losses(logits.log_softmax(0).unsqueeze(0), at::tensor({1L}), S).sum();
  EXPECT_NEAR(loss.item<double>(), -std::log(1e-12), 1e-9);
  EXPECT_TRUE(torch::autograd::grad({loss}, {logits}).front().isfinite().all().item<bool>());
}

TEST(LearnedTransition, StartsNearTheIdentity) {
  const LearnedTransition transition(10);
  const double odds = 0.1192029;  // sigmoid(-2)
  const at::Tensor S = transition.matrix();
  EXPECT_NEAR(S[4][4].item<double>(), 1 / (1 + 9 * odds), 1e-6);
  EXPECT_NEAR(S[4][5].item<double>(), odds / (1 + 9 * odds), 1e-6);
  data::check_transition(S.detach().to(at::kDouble), 10, "learned");
  const double eigenvalue = (1 - odds) / (1 + 9 * odds);
  EXPECT_NEAR(transition.log_volume().item<double>(), 9 * std::log(eigenvalue), 1e-5);
}

/// Learns posteriors and matrix together from the exact shares of labels.
at::Tensor learn(const at::Tensor& S, double volume_weight) {
  const at::Tensor shares = posteriors().matmul(S).to(at::kFloat);
  const int64_t num_images = shares.size(0), num_classes = shares.size(1);
  at::Tensor logits = at::zeros({num_images, num_classes}).set_requires_grad(true);
  LearnedTransition transition(num_classes);
  torch::optim::Adam optimizer({logits, transition.parameters()[0]}, 0.01);
  const at::Tensor shown = at::arange(num_classes).repeat({num_images});
  for (int step = 0; step < 1200; ++step) {
    optimizer.zero_grad();
    const at::Tensor losses = forward_corrected_losses(
        (10 * logits).log_softmax(1).repeat_interleave(num_classes, 0), shown, transition.matrix());
    (((losses * shares.flatten()).sum() / num_images) + volume_weight * transition.log_volume())
        .backward();
    optimizer.step();
  }
  return transition.matrix().detach();
}

TEST(LearnedTransition, OfLeastVolumeIsTheMatrixThatMadeTheNoise) {
  const at::Tensor S = diffusion::three_class_transition();
  const double error = largest_difference(learn(S, 1e-3), S);
  EXPECT_LT(error, 0.02);
  EXPECT_GT(largest_difference(learn(S, -1e-3), S), 2 * error)
      << "rewarding volume instead must end elsewhere";
}

TEST(LearnedTransition, FindsSymmetricNoiseAndNone) {
  EXPECT_LT(
      largest_difference(learn(data::symmetric_noise(3, 0.4), 1e-3), data::symmetric_noise(3, 0.4)),
      0.02);
  EXPECT_LT(largest_difference(learn(at::eye(3, at::kDouble), 1e-3), at::eye(3)), 0.02);
}

}  // namespace
}  // namespace equipoise::reweight
