#include "diffusion/precondition.h"

#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"
#include "core/spelling.h"
#include "diffusion/adm_denoiser.h"
#include "diffusion/per_item.h"

namespace equipoise::diffusion {
namespace {

class EdmPreconditioning : public Preconditioning {
 public:
  explicit EdmPreconditioning(double sigma_data)
      : variance_(sigma_data * sigma_data), sigma_data_(sigma_data) {}
  Scalings scalings(const at::Tensor& sigma) const override {
    const at::Tensor total = sigma.square() + variance_;
    return {.skip = variance_ / total,
            .out = sigma * sigma_data_ / total.sqrt(),
            .in = 1 / total.sqrt(),
            .noise = sigma.log() / 4};
  }
  at::Tensor loss_weight(const at::Tensor& sigma) const override {
    return (sigma.square() + variance_) / (sigma * sigma_data_).square();
  }
  double sigma_min() const override { return 0; }
  double sigma_max() const override { return std::numeric_limits<double>::infinity(); }

 private:
  double variance_, sigma_data_;
};

class VpPreconditioning : public Preconditioning {
 public:
  Scalings scalings(const at::Tensor& sigma) const override {
    const at::Tensor ones = at::ones_like(sigma);
    return {.skip = ones,
            .out = -sigma,
            .in = 1 / (sigma.square() + 1).sqrt(),
            .noise = time_of(sigma) * (kSteps - 1)};
  }
  at::Tensor loss_weight(const at::Tensor& sigma) const override { return 1 / sigma.square(); }
  double sigma_min() const override { return sigma_at(kSmallestTime); }
  double sigma_max() const override { return sigma_at(1); }

 private:
  static double sigma_at(double t) {
    return std::sqrt(std::expm1(0.5 * kBetaSlope * t * t + kBetaMin * t));
  }
  static at::Tensor time_of(const at::Tensor& sigma) {
    const at::Tensor log_variance = (sigma.square() + 1).log();
    return ((log_variance * (2 * kBetaSlope) + kBetaMin * kBetaMin).sqrt() - kBetaMin) / kBetaSlope;
  }

  static constexpr double kBetaSlope = 19.9, kBetaMin = 0.1, kSmallestTime = 1e-5;
  static constexpr int64_t kSteps = 1000;
};

class VePreconditioning : public Preconditioning {
 public:
  Scalings scalings(const at::Tensor& sigma) const override {
    const at::Tensor ones = at::ones_like(sigma);
    return {.skip = ones, .out = sigma, .in = ones, .noise = (sigma * 0.5).log()};
  }
  at::Tensor loss_weight(const at::Tensor& sigma) const override { return 1 / sigma.square(); }
  double sigma_min() const override { return 0.02; }
  double sigma_max() const override { return 100; }
};

class IddpmPreconditioning : public Preconditioning {
 public:
  // u_M = 0;  u_{j-1} = sqrt((u_j^2 + 1) / max(abar_{j-1} / abar_j, C_1) - 1);
  // abar_j = sin^2(pi/2 · j / (M (C_2 + 1))).
  IddpmPreconditioning() {
    const auto alpha_bar = [](int64_t j) {
      const double sine = std::sin(0.5 * std::numbers::pi * static_cast<double>(j) / kSteps /
                                   (kHighNoiseShift + 1));
      return sine * sine;
    };
    std::vector<double> levels(kSteps + 1, 0.0);
    for (int64_t j = kSteps; j > 0; --j) {
      const double ratio = std::max(alpha_bar(j - 1) / alpha_bar(j), kSmallestRatio);
      levels[j - 1] = std::sqrt((levels[j] * levels[j] + 1) / ratio - 1);
    }
    levels_ = at::tensor(levels, at::kDouble).to(at::kFloat);
  }

  Scalings scalings(const at::Tensor& sigma) const override {
    return {.skip = at::ones_like(sigma),
            .out = -sigma,
            .in = 1 / (sigma.square() + 1).sqrt(),
            .noise = (kSteps - 1) - nearest(sigma).to(sigma.scalar_type())};
  }
  at::Tensor loss_weight(const at::Tensor& sigma) const override { return 1 / sigma.square(); }
  double sigma_min() const override { return levels_[kSteps - 1].item<double>(); }
  double sigma_max() const override { return levels_[0].item<double>(); }
  at::Tensor round_sigma(const at::Tensor& sigma) const override {
    return levels_.to(sigma.device()).index({nearest(sigma)}).to(at::kDouble);
  }
  at::Tensor levels() const override { return levels_; }

 private:
  at::Tensor nearest(const at::Tensor& sigma) const {
    const at::Tensor distance =
        sigma.to(at::kFloat).unsqueeze(1) - levels_.to(sigma.device()).unsqueeze(0);
    return distance.abs().argmin(1);
  }

  static constexpr double kSmallestRatio = 0.001, kHighNoiseShift = 0.008;
  static constexpr int64_t kSteps = 1000;
  at::Tensor levels_;
};

std::unique_ptr<const Preconditioning> make_preconditioning(const std::string& name,
                                                            double sigma_data) {
  if (name == "edm") {
    if (!(sigma_data > 0) || !std::isfinite(sigma_data))
      throw UsageError({.where = "sigma_data",
                        .what = "not a standard deviation",
                        .got = fmt::format("{}", sigma_data),
                        .expected = "a positive number",
                        .hint = "0.5 for images in [-1, 1]"});
    return std::make_unique<EdmPreconditioning>(sigma_data);
  }
  if (name == "vp") return std::make_unique<VpPreconditioning>();
  if (name == "ve") return std::make_unique<VePreconditioning>();
  if (name == "iddpm") return std::make_unique<IddpmPreconditioning>();
  if (const auto schedule = parse_ddpm_schedule(name)) return make_ddpm_preconditioning(*schedule);
  throw unknown_name("preconditioning", name, preconditioning_names());
}

}  // namespace

const std::vector<std::string>& preconditioning_names() {
  static const std::vector<std::string> names{
      "edm", "vp", "ve", "iddpm", "ddpm_linear_1000", "ddpm_cosine_1000"};
  return names;
}

PreconditionedDenoiser::PreconditionedDenoiser(const std::string& preconditioning,
                                               double sigma_data, const nets::DataShape& shape,
                                               std::shared_ptr<nets::DenoiserNetwork> model)
    : shape_(shape), preconditioning_(make_preconditioning(preconditioning, sigma_data)) {
  network_ = std::make_unique<nets::NetworkGraphs>(register_module("model", std::move(model)));
  // A copy, since the release stores it in the model's state: what a file holds there must not
  // change the levels.
  if (preconditioning_->levels().defined())
    register_buffer("u", preconditioning_->levels().clone());
}

at::Tensor PreconditionedDenoiser::denoise(const at::Tensor& x, const at::Tensor& sigma,
                                           const Conditions& conditions) const {
  return evaluate(x, sigma, conditions).denoised;
}

PreconditionedDenoiser::Evaluation PreconditionedDenoiser::evaluate(
    const at::Tensor& x, const at::Tensor& sigma, const Conditions& conditions) const {
  if (shape_.resolution > 0)
    check_shape(x, {kAny, shape_.channels, shape_.resolution, shape_.resolution}, "x");
  else
    check_shape(x, {kAny, shape_.channels}, "x");
  if (sigma.numel() != 1) check_shape(sigma, {x.size(0)}, "sigma");
  const at::Tensor input = x.to(at::kFloat);
  const at::Tensor levels = sigma.to(at::kFloat).reshape({-1}).expand({x.size(0)});
  const Scalings c = preconditioning_->scalings(levels);
  const at::Tensor output =
      network_->forward(per_item(c.in, input) * input, c.noise, checked(conditions, x.size(0)));
  const at::Tensor predicted = output.narrow(1, 0, shape_.channels);
  return {per_item(c.skip, input) * input + per_item(c.out, input) * predicted, output};
}

Conditions PreconditionedDenoiser::checked(const Conditions& conditions, int64_t batch) const {
  const at::Tensor& labels = conditions.class_labels;
  if (shape_.label_dim > 0 && labels.defined() && !(labels.dim() == 2 && labels.size(0) == 1))
    check_shape(labels, {batch, shape_.label_dim}, "class labels");
  if (conditions.augment_labels.defined())
    check_shape(conditions.augment_labels, {batch, kAny}, "augment labels");
  return conditions;
}

double PreconditionedDenoiser::sigma_min() const {
  return preconditioning_->sigma_min();
}

double PreconditionedDenoiser::sigma_max() const {
  return preconditioning_->sigma_max();
}

at::Tensor PreconditionedDenoiser::round_sigma(const at::Tensor& sigma) const {
  return preconditioning_->round_sigma(sigma);
}

at::Tensor PreconditionedDenoiser::loss_weight(const at::Tensor& sigma) const {
  return preconditioning_->loss_weight(sigma);
}

std::shared_ptr<PreconditionedDenoiser> make_denoiser(const ModelConfig& config,
                                                      uint64_t init_seed) {
  if (const auto schedule = parse_ddpm_schedule(config.preconditioning))
    return make_adm_denoiser(*schedule, config, init_seed);
  nets::NetworkConfig network = config.network;
  // iDDPM networks also predict a variance, which denoising does not use.
  if (config.preconditioning == "iddpm" && network.is_object() && !network.contains("out_channels"))
    network["out_channels"] = 2 * config.shape.channels;
  return std::make_shared<PreconditionedDenoiser>(
      config.preconditioning, config.sigma_data, config.shape,
      nets::make_denoiser_network(network, config.shape, init_seed));
}

}  // namespace equipoise::diffusion
