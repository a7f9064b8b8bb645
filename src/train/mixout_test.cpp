#include "train/mixout.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "diffusion/model_file.h"
#include "io/scratch_folder.h"
#include "nets/ops.h"

namespace equipoise::train {
namespace {

MixoutConfig config_of(double p, const std::string& unit = "neuron",
                       const std::string& gradient = "exact") {
  return {.probability = p, .gradient = gradient, .unit = unit};
}

RandomStream stream(uint64_t seed) {
  return {seed, Purpose::kDropout};
}

/// The two matrices of the worked examples.
at::Tensor tuned() {
  return at::tensor({1., -2., .5, .3, 1.2, -.7}, at::kDouble).view({2, 3});
}
at::Tensor pretrained() {
  return at::tensor({.8, -1., 0., 0., 1., -1.}, at::kDouble).view({2, 3});
}
at::Tensor inputs() {
  return at::tensor({1., 0., 2., .5, -1., 1., 0., 1., -.5, 2., 1., 0.}, at::kDouble).view({4, 3});
}
/// 1/2 mean |W x|^2.
at::Tensor loss_of(const at::Tensor& weight) {
  return nets::linear(inputs(), weight, {}).square().sum(1).mean() / 2;
}

TEST(Mix, FixedMaskGivesTheWorkedExample) {
  const at::Tensor mask = at::tensor({1., 0., 1.}, at::kDouble).view({1, 3});
  const at::Tensor expected =
      at::tensor({1.4666667, -1., 1.6666667, 1., 1., 0.}, at::kDouble).view({2, 3});
  const at::Tensor mixed = mix(tuned(), pretrained(), mask, config_of(0.7));
  EXPECT_LT((mixed - expected).abs().max().item<double>(), 1e-7);
  // Dropped columns are the pretrained ones, kept ones are set apart from them by 1 / (1 - p).
  EXPECT_TRUE(at::equal(mixed.select(1, 1), pretrained().select(1, 1)));
  EXPECT_TRUE(at::allclose((mixed - pretrained()).select(1, 0),
                           (tuned() - pretrained()).select(1, 0) / 0.3));
}

TEST(Mix, ProbabilityZeroIsThePlainLayerToTheBit) {
  const at::Tensor plain = tuned().set_requires_grad(true), other = tuned().set_requires_grad(true);
  const MixoutConfig config = config_of(0);
  const at::Tensor mask = keep_mask(other, config, stream(1));
  const at::Tensor one = loss_of(plain), two = loss_of(mix(other, pretrained(), mask, config));
  EXPECT_TRUE(at::equal(one, two));
  EXPECT_TRUE(at::equal(torch::autograd::grad({one}, {plain})[0],
                        torch::autograd::grad({two}, {other})[0]));
}

TEST(Mix, ProbabilityOneIsThePretrainedLayerWithoutGradient) {
  const MixoutConfig config = config_of(1);
  const at::Tensor weight = tuned().set_requires_grad(true),
                   bias = at::zeros({2}, at::kDouble).set_requires_grad(true);
  const at::Tensor mixed = mix(weight, pretrained(), keep_mask(weight, config, stream(2)), config);
  EXPECT_TRUE(at::equal(mixed, pretrained()));
  const at::Tensor out = nets::linear(inputs(), mixed, bias);
  const auto gradients = torch::autograd::grad({out.square().sum()}, {weight, bias});
  EXPECT_EQ(gradients[0].abs().max().item<double>(), 0);
  EXPECT_TRUE(at::allclose(gradients[1], 2 * out.sum(0)));
}

TEST(Mix, EqualWeightsGiveTheSameBitsWhateverTheMask) {
  const at::Tensor weight = torch::randn({5, 4, 3, 3});
  for (const double p : {0.1, 0.5, 0.9, 0.999, 1.0})
    for (const std::string unit : {"neuron", "weight"}) {
      const MixoutConfig config = config_of(p, unit);
      EXPECT_TRUE(at::equal(
          mix(weight, weight.clone(), keep_mask(weight, config, stream(3)), config), weight));
    }
}

// 4e5 masks: five standard errors of the mean fail once in 2 million; those of the variance ratio are
// below 0.7 %.
TEST(Mix, MeanIsTheWeightAndVarianceTheStatedOne) {
  constexpr int64_t kMasks = 400'000;
  const at::Tensor deviation = (tuned() - pretrained()).select(0, 0);  // of one output, [3]
  for (const double p : {0.3, 0.9}) {
    // Every neuron of this wide layer is one mask of the same weight.
    const at::Tensor w = tuned().select(0, 0).unsqueeze(1),
                     u = pretrained().select(0, 0).unsqueeze(1);
    const at::Tensor wide = w.expand({3, kMasks}), wide_u = u.expand({3, kMasks});
    const MixoutConfig config = config_of(p);
    const at::Tensor mixed = mix(wide, wide_u, keep_mask(wide, config, stream(4)), config);
    const at::Tensor variance = p / (1 - p) * deviation.square();
    EXPECT_TRUE(((mixed.mean(1) - w.squeeze(1)).abs() <= 5 * (variance / kMasks).sqrt() + 1e-12)
                    .all()
                    .item<bool>());
    EXPECT_LT((mixed.var(1) / variance - 1).abs().max().item<double>(), 0.02);
  }
}

TEST(Mix, DropoutIsTheCaseOfPretrainedZero) {
  const MixoutConfig config = config_of(0.6);
  const at::Tensor mask = at::tensor({0., 1., 1.}, at::kDouble).view({1, 3});
  const at::Tensor mixed = nets::linear(inputs(), mix(tuned(), {}, mask, config), {});
  const at::Tensor dropped = nets::linear(inputs() * mask / 0.4, tuned(), {});
  EXPECT_TRUE(at::allclose(mixed, dropped, 1e-12, 1e-12));
}

/// E over all 2^n masks of body(mask), weighted by their probabilities.
at::Tensor over_all_masks(at::IntArrayRef shape, double p,
                          const std::function<at::Tensor(const at::Tensor&)>& body) {
  const int64_t n = c10::multiply_integers(shape);
  at::Tensor sum;
  for (int64_t bits = 0; bits < (1 << n); ++bits) {
    at::Tensor mask = at::empty({n}, at::kDouble);
    double probability = 1;
    for (int64_t i = 0; i < n; ++i) {
      const bool keep = (bits >> i) & 1;
      mask[i] = keep ? 1. : 0.;
      probability *= keep ? 1 - p : p;
    }
    const at::Tensor term = body(mask.view(shape)) * probability;
    sum = sum.defined() ? sum + term : term;
  }
  return sum;
}

TEST(Mix, ExpectedSquaredLossIsTheOneWithThePull) {
  struct Row {
    double p, loss;
  };
  for (const Row& row :
       {Row{0, 3.4971875}, {.3, 3.7965179}, {.5, 4.1956250}, {.7, 5.1268750}, {.9, 9.7831250}})
    for (const auto& shape : {std::vector<int64_t>{1, 3}, {2, 3}}) {  // by neuron, by weight
      const at::Tensor expected = over_all_masks(shape, row.p, [&](const at::Tensor& mask) {
        return loss_of(mix(tuned(), pretrained(), mask, config_of(row.p)));
      });
      EXPECT_NEAR(expected.item<double>(), row.loss, 1e-7);
      EXPECT_NEAR(row.loss, 3.4971875 + 0.6984375 * row.p / (1 - row.p), 1e-7);
    }
}

TEST(Mix, ExpectedGradientIsTheOneWithThePull) {
  const at::Tensor weight = tuned().set_requires_grad(true);
  const at::Tensor plain = torch::autograd::grad({loss_of(weight)}, {weight})[0];
  const at::Tensor second_moments = inputs().square().mean(0);  // diag H
  for (const double p : {.3, .5, .9}) {
    const at::Tensor mean = over_all_masks({1, 3}, p, [&](const at::Tensor& mask) {
      return torch::autograd::grad({loss_of(mix(weight, pretrained(), mask, config_of(p)))},
                                   {weight})[0];
    });
    const at::Tensor pull = p / (1 - p) * (tuned() - pretrained()) * second_moments;
    EXPECT_TRUE(at::allclose(mean, plain + pull, 1e-10, 1e-12)) << p;
  }
}

TEST(Mix, GradientEqualsFiniteDifferencesUnderAFrozenMask) {
  const MixoutConfig exact = config_of(0.7), reference = config_of(0.7, "neuron", "reference");
  const at::Tensor mask = at::tensor({1., 0., 1.}, at::kDouble).view({1, 3});
  const at::Tensor weight = tuned().set_requires_grad(true);
  const auto loss = [&](const at::Tensor& w, const MixoutConfig& config) {
    return loss_of(mix(w, pretrained(), mask, config));
  };
  const at::Tensor found = torch::autograd::grad({loss(weight, exact)}, {weight})[0];
  for (int64_t i = 0; i < 6; ++i) {
    at::Tensor step = at::zeros({6}, at::kDouble);
    step[i] = 1e-5;
    step = step.view({2, 3});
    const double difference =
        (loss(tuned() + step, exact) - loss(tuned() - step, exact)).item<double>() / 2e-5;
    EXPECT_NEAR(found.view(-1)[i].item<double>(), difference, 1e-8 + 1e-6 * std::abs(difference));
  }
  // The official code leaves 1 / (1 - p) out of the gradient, not out of the value.
  EXPECT_TRUE(at::equal(loss(weight, reference), loss(weight, exact)));
  EXPECT_TRUE(at::allclose(torch::autograd::grad({loss(weight, reference)}, {weight})[0],
                           0.3 * found, 1e-12, 1e-14));
}

// 8000 independent coordinates, each a run of gradient descent on h/2 (w - c)^2 with masks of its own.
// The stationary mean is (1-p) c + p u whatever h; averaging 150 steps leaves a standard error below
// 0.005 (from repeats).
TEST(Mix, GradientDescentSettlesBetweenOldAndNew) {
  constexpr double c = 2, u = -1, p = 0.6, rate = 0.02;
  const MixoutConfig config = config_of(p);
  for (const double h : {0.5, 3.0}) {
    at::Tensor w = at::full({1, 8000}, u, at::kDouble).set_requires_grad(true);
    const at::Tensor target = at::full({1, 8000}, u, at::kDouble);
    double sum = 0;
    const int64_t warm_up = static_cast<int64_t>(4 / (rate * h)), steps = warm_up + 150;
    for (int64_t k = 0; k < steps; ++k) {
      const at::Tensor mask =
          keep_mask(w, config, RandomStream(5, Purpose::kDropout, static_cast<uint64_t>(k)));
      const at::Tensor loss = h / 2 * (mix(w, target, mask, config) - c).square().sum();
      const at::Tensor gradient = torch::autograd::grad({loss}, {w})[0];
      const torch::NoGradGuard no_grad;
      w.sub_(rate * gradient);
      if (k >= warm_up) sum += w.mean().item<double>() / 150;
    }
    EXPECT_NEAR(sum, (1 - p) * c + p * u, 0.03) << h;
  }
}

// 1e5 draws: five standard errors of a share fail once in 2 million.
TEST(KeepMask, KeepsTheStatedShareAndRepeatsUnderTheSameStream) {
  const MixoutConfig config = config_of(0.7, "weight");
  const at::Tensor weight = at::zeros({100, 1000});
  const at::Tensor mask = keep_mask(weight, config, stream(6));
  EXPECT_NEAR(mask.mean().item<double>(), 0.3, 5 * std::sqrt(0.21 / 1e5));
  EXPECT_TRUE(at::equal(mask, keep_mask(weight, config, stream(6))));
  EXPECT_FALSE(at::equal(mask, keep_mask(weight, config, stream(7))));
}

TEST(KeepMask, OneChoiceAnInputNeuronUnlessToldOtherwise) {
  const at::Tensor conv = at::zeros({6, 5, 3, 3}), vector = at::zeros({7});
  EXPECT_EQ(keep_mask(conv, config_of(0.5), stream(8)).sizes(), at::IntArrayRef({1, 5, 1, 1}));
  EXPECT_EQ(keep_mask(conv, config_of(0.5, "weight"), stream(8)).sizes(), conv.sizes());
  EXPECT_EQ(keep_mask(vector, config_of(0.5), stream(8)).sizes(), vector.sizes());
}

TEST(Mix, RefusesOddSharesAndOtherShapes) {
  const at::Tensor mask = at::ones({1, 3}, at::kDouble);
  EXPECT_THROW(mix(tuned(), pretrained(), mask, config_of(1.5)), UsageError);
  EXPECT_THROW(mix(tuned(), pretrained(), mask, config_of(-0.1)), UsageError);
  EXPECT_THROW(mix(tuned(), at::zeros({3, 2}, at::kDouble), mask, config_of(0.5)), UsageError);
}

/// A layer with bias, and the squared error of its outputs on images that follow their numbers.
struct Layer : torch::nn::Module {
  Layer() {
    weight = register_parameter("weight", torch::full({2, 3}, 0.5));
    bias = register_parameter("bias", torch::zeros({2}));
  }
  at::Tensor weight, bias;
};

class LayerTask : public TrainingTask {
 public:
  explicit LayerTask(std::shared_ptr<const Layer> layer) : layer_(std::move(layer)) {}
  at::Tensor loss_sum(int64_t first, int64_t count) const override {
    const at::Tensor x = random_normal(1, Purpose::kNoise, at::arange(first, first + count), {3});
    return (nets::linear(x, layer_->weight, layer_->bias) - x.slice(1, 0, 2)).square().sum();
  }
  double heldout_loss() const override {
    return LayerTask(layer_).loss_sum(1'000'000, 8).item<double>();
  }

 private:
  std::shared_ptr<const Layer> layer_;
};

struct MixedLayer {
  explicit MixedLayer(const MixoutConfig& config, int64_t num_replicas = 2, uint64_t seed = 9) {
    MixoutTask::Parts parts{.config = config,
                            .seed = seed,
                            .plain = std::make_shared<LayerTask>(layer),
                            .parameters = layer->parameters()};
    for (const at::Tensor& parameter : layer->parameters())
      parts.pretrained.push_back(parameter.detach().clone() - 0.25);
    for (int64_t i = 0; i < num_replicas; ++i) {
      const auto replica = std::make_shared<Layer>();
      parts.replicas.push_back({std::make_shared<LayerTask>(replica), replica->parameters()});
    }
    pretrained = parts.pretrained;
    task = std::make_shared<MixoutTask>(std::move(parts));
  }
  std::vector<at::Tensor> gradient(const TrainingTask& of, int64_t first = 0,
                                   int64_t count = 5) const {
    return torch::autograd::grad({of.loss_sum(first, count)}, layer->parameters());
  }
  std::shared_ptr<Layer> layer = std::make_shared<Layer>();
  std::vector<at::Tensor> pretrained;
  std::shared_ptr<MixoutTask> task;
};

TEST(MixoutTask, ProbabilityZeroIsThePlainTaskToTheBit) {
  const MixedLayer mixed(config_of(0));
  const LayerTask plain(mixed.layer);
  EXPECT_TRUE(at::equal(mixed.task->loss_sum(0, 5), plain.loss_sum(0, 5)));
  const auto found = mixed.gradient(*mixed.task), expected = mixed.gradient(plain);
  for (size_t k = 0; k < found.size(); ++k) EXPECT_TRUE(at::equal(found[k], expected[k]));
}

TEST(MixoutTask, ProbabilityOneTrainsBiasesOnly) {
  const MixedLayer mixed(config_of(1));
  const auto gradients = mixed.gradient(*mixed.task);
  EXPECT_EQ(gradients[0].abs().max().item<double>(), 0);
  EXPECT_GT(gradients[1].abs().max().item<double>(), 0);
}

TEST(MixoutTask, GradientIsThatOfTheMixedLayer) {
  for (const std::string rule : {"exact", "reference"}) {
    const MixoutConfig config = config_of(0.4, "neuron", rule);
    const MixedLayer mixed(config);
    // The same by autograd through `mix`, for each of the masks it may have drawn.
    const at::Tensor found = mixed.gradient(*mixed.task)[0];
    bool is_one_of_them = false;
    for (int64_t bits = 0; bits < 8; ++bits) {
      const at::Tensor mask = at::tensor({bits & 1, (bits >> 1) & 1, (bits >> 2) & 1}, at::kFloat);
      const auto other = std::make_shared<Layer>();
      const at::Tensor weight = mixed.layer->weight;
      other->weight = mix(weight, mixed.pretrained[0], mask.view({1, 3}), config);
      const at::Tensor expected =
          torch::autograd::grad({LayerTask(other).loss_sum(0, 5)}, {weight})[0];
      is_one_of_them |= at::allclose(found, expected, 1e-5, 1e-6);
    }
    EXPECT_TRUE(is_one_of_them) << rule;
  }
}

/// Which of the eight masks of three input neurons the call that begins at image `first` drew: bit k
/// is set where neuron k is kept.
int64_t mask_of(const MixedLayer& mixed, const MixoutConfig& config, int64_t first) {
  const double loss = mixed.task->loss_sum(first, 1).item<double>();
  int64_t nearest = 0;
  double least = std::numeric_limits<double>::infinity();
  for (int64_t bits = 0; bits < 8; ++bits) {
    const at::Tensor mask = at::tensor({bits & 1, (bits >> 1) & 1, (bits >> 2) & 1}, at::kFloat);
    const auto other = std::make_shared<Layer>();
    other->weight =
        mix(mixed.layer->weight, mixed.pretrained[0], mask.view({1, 3}), config).detach();
    const double distance =
        std::abs(LayerTask(other).loss_sum(first, 1).item<double>() - loss) / loss;
    if (distance < least) nearest = bits;
    least = std::min(least, distance);
  }
  EXPECT_LT(least, 1e-5) << "the loss is that of no mask";
  return nearest;
}

TEST(MixoutTask, MasksFollowTheImageNumberAndTheSeed) {
  const MixoutConfig config = config_of(0.5);
  const auto masks_under = [&](uint64_t seed) {
    const MixedLayer mixed(config, 2, seed);
    std::vector<int64_t> masks;
    for (int64_t first = 0; first < 40; ++first) masks.push_back(mask_of(mixed, config, first));
    return masks;
  };
  const std::vector<int64_t> masks = masks_under(9);
  EXPECT_EQ(masks, masks_under(9));
  EXPECT_NE(masks, masks_under(10));
  // Of eight equally likely masks, 40 calls leave three or more out once in 5,000 times.
  EXPECT_GE(std::set<int64_t>(masks.begin(), masks.end()).size(), 6u);
}

TEST(MixoutTask, EqualWeightsGiveThePlainLossAtTheFirstStep) {
  const MixedLayer mixed(config_of(0.9));
  {
    const torch::NoGradGuard no_grad;
    for (size_t k = 0; k < mixed.pretrained.size(); ++k)
      mixed.layer->parameters()[k].copy_(mixed.pretrained[k]);
  }
  EXPECT_TRUE(at::equal(mixed.task->loss_sum(0, 5), LayerTask(mixed.layer).loss_sum(0, 5)));
}

TEST(MixoutTask, TrainsUnderTheLoopAndLeavesAPlainNetwork) {
  const LoopConfig config{.images = 4000,
                          .batch_size = 20,
                          .micro_batch_size = 5,
                          .lanes = 2,
                          .learning_rate = 0.01,
                          .ramp_images = 0,
                          .ema = {.half_life_kimg = 0.2},
                          .tick_images = 1000};
  Progress silent;
  const auto trained = [&](int64_t num_replicas) {
    const MixedLayer mixed(config_of(0.5), num_replicas);
    const double before = mixed.task->heldout_loss();
    run_loop(*mixed.task, mixed.layer->parameters(), config, {}, "fit", silent);
    EXPECT_LT(mixed.task->heldout_loss(), 0.5 * before);
    EXPECT_EQ(mixed.task->heldout_loss(), LayerTask(mixed.layer).heldout_loss());
    return mixed.layer->weight.detach().clone();
  };
  // One replica makes the lanes take turns; what is computed stays the same.
  EXPECT_TRUE(at::equal(trained(2), trained(1)));
}

using DenoiserPointer = std::shared_ptr<diffusion::PreconditionedDenoiser>;

/// How far a denoiser moves points that follow their numbers.
class MovingTask : public TrainingTask {
 public:
  explicit MovingTask(DenoiserPointer denoiser) : denoiser_(std::move(denoiser)) {}
  at::Tensor loss_sum(int64_t first, int64_t count) const override {
    const at::Tensor x = random_normal(1, Purpose::kNoise, at::arange(first, first + count), {2});
    return (denoiser_->denoise(x, at::ones({count})) - x).square().sum();
  }
  double heldout_loss() const override {
    const torch::NoGradGuard no_grad;
    return loss_sum(1'000'000, 8).item<double>();
  }

 private:
  DenoiserPointer denoiser_;
};

TEST(MixoutTask, ModelsAreStoredPlain) {
  const io::ScratchFolder scratch;
  const diffusion::ModelConfig model{.shape = {.resolution = 0, .channels = 2, .label_dim = 0},
                                     .network = {{"type", "MLP"}, {"hidden", 8}}};
  const DenoiserPointer tuned = diffusion::make_denoiser(model, 1),
                        pretrained = diffusion::make_denoiser(model, 2),
                        replica = diffusion::make_denoiser(model, 3);
  MixoutTask::Parts parts{
      .config = config_of(0.5),
      .seed = 9,
      .plain = std::make_shared<MovingTask>(tuned),
      .parameters = tuned->parameters(),
      .pretrained = {},
      .replicas = {{std::make_shared<MovingTask>(replica), replica->parameters()}}};
  std::vector<at::Tensor> before;
  for (const at::Tensor& parameter : tuned->parameters())
    before.push_back(parameter.detach().clone());
  for (const at::Tensor& parameter : pretrained->parameters())
    parts.pretrained.push_back(parameter.detach());
  const MixoutTask task(std::move(parts));
  task.loss_sum(0, 5).backward();
  EXPECT_GT(distance(replica->parameters(), before), 0.1) << "nothing was mixed";
  EXPECT_GT(tuned->parameters()[0].grad().norm().item<double>(), 0);

  diffusion::save_model(scratch / "m.safetensors", *tuned, model);
  const diffusion::LoadedModel loaded = diffusion::load_model(scratch / "m.safetensors");
  EXPECT_EQ(distance(loaded.denoiser->parameters(), before), 0);
  EXPECT_EQ(loaded.config.network, model.network);
  EXPECT_EQ(MovingTask(loaded.denoiser).heldout_loss(), task.heldout_loss());
}

TEST(MixoutTask, RefusesWeightsOfAnotherNetwork) {
  const auto layer = std::make_shared<Layer>();
  MixoutTask::Parts parts{.config = config_of(0.5),
                          .plain = std::make_shared<LayerTask>(layer),
                          .parameters = layer->parameters(),
                          .pretrained = {at::zeros({2, 3})},
                          .replicas = {{std::make_shared<LayerTask>(layer), layer->parameters()}}};
  EXPECT_THROW(MixoutTask{parts}, UsageError);
}

TEST(PulledTask, AddsThePullToEveryImage) {
  const auto layer = std::make_shared<Layer>();
  const auto plain = std::make_shared<LayerTask>(layer);
  std::vector<at::Tensor> pretrained;
  for (const at::Tensor& parameter : layer->parameters())
    pretrained.push_back(parameter.detach() - 2);
  const PulledTask pulled(plain, 0.1, layer->parameters(), pretrained);
  EXPECT_NEAR((pulled.loss_sum(0, 3) - plain->loss_sum(0, 3)).item<double>(), 3 * 0.05 * 8 * 4,
              1e-4);
  const auto with = torch::autograd::grad({pulled.loss_sum(0, 3)}, layer->parameters()),
             without = torch::autograd::grad({plain->loss_sum(0, 3)}, layer->parameters());
  for (size_t k = 0; k < with.size(); ++k)
    EXPECT_TRUE(
        at::allclose(with[k] - without[k], at::full_like(with[k], 3 * 0.1 * 2), 1e-4, 1e-4));
  EXPECT_NEAR(distance(layer->parameters(), pretrained), 2 * std::sqrt(8.0), 1e-6);
}

}  // namespace
}  // namespace equipoise::train
