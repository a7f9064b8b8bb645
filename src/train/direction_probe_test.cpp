#include "train/direction_probe.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"

namespace equipoise::train {
namespace {

/// Five weights in two layers.
struct Weights : torch::nn::Module {
  Weights() {
    struct Layer : torch::nn::Module {
      explicit Layer(int64_t size) { weight = register_parameter("weight", at::zeros({size})); }
      at::Tensor weight;
    };
    first = register_module("first", std::make_shared<Layer>(2))->weight;
    second = register_module("second", std::make_shared<Layer>(3))->weight;
  }
  at::Tensor all() const { return at::cat({first, second}); }
  void set(const at::Tensor& values) {
    const torch::NoGradGuard no_grad;
    first.copy_(values.slice(0, 0, 2));
    second.copy_(values.slice(0, 2));
  }
  at::Tensor first, second;
};

/// |w - p_n|^2 / 2, the centres p_n = offset +- e_j in turn.
class Quadratics : public TrainingTask {
 public:
  Quadratics(std::shared_ptr<const Weights> weights, double offset)
      : weights_(std::move(weights)), offset_(offset) {}
  at::Tensor loss_sum(int64_t first, int64_t count) const override {
    const at::Tensor axes = at::eye(5), centres = at::cat({axes, -axes}) + offset_;
    return (weights_->all() - centres.index_select(0, at::arange(first, first + count) % 10))
               .square()
               .sum() /
           2;
  }

 private:
  std::shared_ptr<const Weights> weights_;
  double offset_;
};

TEST(DirectionProbe, SeesTheKnownDirectionsOfQuadratics) {
  const auto weights = std::make_shared<Weights>();
  weights->set(at::full({5}, 1 / std::sqrt(5.0f)));
  const double far = 2 / std::sqrt(5.0);
  DirectionProbe probe({.num_minibatches = 10, .batch_size = 1, .micro_batch_size = 1, .lanes = 3},
                       {{"all", std::make_shared<Quadratics>(weights, 0)},
                        {"opposed", std::make_shared<Quadratics>(weights, far)}},
                       *weights);
  const nlohmann::json found = probe.at_tick(20).at("directions");
  EXPECT_NEAR(found["subjects"]["all"]["rbar"].get<double>(), .6881910, 1e-6);
  EXPECT_NEAR(found["subjects"]["all"]["kappa"].get<double>(), 5.9176731, 1e-5);
  EXPECT_EQ(found["subjects"]["all"]["d"], 5);
  EXPECT_EQ(found["subjects"]["all"]["n"], 10);
  EXPECT_EQ(found["batch_size"], 1);
  EXPECT_EQ(found["layers"]["first"]["d"], 2);
  EXPECT_EQ(found["layers"]["second"]["d"], 3);
  EXPECT_NEAR(found["conflict"]["all"]["all"].get<double>(), 1, 1e-12);
  EXPECT_NEAR(found["conflict"]["all"]["opposed"].get<double>(), -1,
              1e-6);  // they pull in opposite ways
}

TEST(DirectionProbe, CutsOfAMinibatchChangeNothing) {
  const auto weights = std::make_shared<Weights>();
  weights->set(at::arange(5).to(at::kFloat));
  const auto task = std::make_shared<Quadratics>(weights, 0);
  const auto rbar = [&](int64_t micro) {
    DirectionProbe probe(
        {.num_minibatches = 6, .batch_size = 3, .micro_batch_size = micro, .lanes = 2},
        {{"all", task}}, *weights);
    return probe.at_tick(0)["directions"]["subjects"]["all"]["rbar"].get<double>();
  };
  EXPECT_NEAR(rbar(1), rbar(3), 1e-7);
  EXPECT_NEAR(rbar(2), rbar(3), 1e-7);
}

TEST(DirectionProbe, LeavesTrainingAsItWasToTheBit) {
  const LoopConfig config{
      .images = 400, .batch_size = 10, .lanes = 2, .ema = {}, .tick_images = 50};
  const auto trained = [&](bool with_probe) {
    const auto weights = std::make_shared<Weights>();
    const auto task = std::make_shared<Quadratics>(weights, 0.7);
    LoopHooks hooks;
    if (with_probe)
      hooks.companions.push_back(std::make_shared<DirectionProbe>(
          DirectionProbe::Config{.num_minibatches = 4, .batch_size = 10},
          std::vector<DirectionProbe::Subject>{{"all", task}}, *weights));
    Progress silent;
    const TrainResult result = run_loop(*task, weights->parameters(), config, hooks, "fit", silent);
    EXPECT_EQ(result.curve.front().notes.contains("directions"), with_probe);
    for (const at::Tensor& parameter : weights->parameters())
      EXPECT_FALSE(parameter.grad().defined());
    return weights->all();
  };
  EXPECT_TRUE(at::equal(trained(true), trained(false)));
}

TEST(DirectionProbe, NeedsSomethingToLookAt) {
  EXPECT_THROW(DirectionProbe({}, {}, Weights{}), UsageError);
}

}  // namespace
}  // namespace equipoise::train
