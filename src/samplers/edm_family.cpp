// The ODEs and SDEs of VP, VE, iDDPM and EDM in one solver: any discretisation with any noise
// schedule and any scaling.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/error.h"
#include "diffusion/per_item.h"
#include "samplers/noise_grid.h"
#include "samplers/sampler.h"
#include "samplers/steps.h"

namespace equipoise::samplers {
namespace {

// VP's shortest time, at which its discretisation ends.
constexpr double kVpShortest = 1e-3;
// Constants of iDDPM's discretisation: number of training steps, floor and offset of its schedule.
constexpr int64_t kIddpmSteps = 1000;
constexpr double kIddpmFloor = 0.001, kIddpmOffset = 0.008;

struct EdmFamilyConfig : ChurnedGridConfig {
  std::string discretization = "edm";
  std::string schedule = "linear";
  std::string scaling = "none";
  std::string solver = "heun";
  double alpha = 1;

  void fields(FieldVisitor& f) {
    ChurnedGridConfig::fields(f);
    f.choice("discretization", discretization, {"edm", "vp", "ve", "iddpm"},
             "where the noise levels lie");
    f.choice("schedule", schedule, {"linear", "vp", "ve"}, "sigma(t)");
    f.choice("scaling", scaling, {"none", "vp"}, "s(t)");
    f.choice("solver", solver, {"heun", "euler"}, "second or first order");
    f("alpha", alpha, "", "where in a step the second slope is taken: 1 = Heun, 0.5 = midpoint",
      {0.01, 1});
  }
};

/// beta_d and beta_min of VP that reach these ends at times kVpShortest and 1.
struct VpBeta {
  double slope, start;
};

VpBeta vp_beta(double sigma_min, double sigma_max) {
  const double low = std::log1p(sigma_min * sigma_min), high = std::log1p(sigma_max * sigma_max);
  const double slope = 2 * (low / kVpShortest - high) / (kVpShortest - 1);
  return {slope, high - 0.5 * slope};
}

double vp_sigma(const VpBeta& beta, double time) {
  return std::sqrt(std::expm1(0.5 * beta.slope * time * time + beta.start * time));
}

std::vector<double> iddpm_levels(int64_t steps, double low, double high) {
  const auto abar = [](double j) {
    const double s = std::sin(0.5 * M_PI * j / kIddpmSteps / (kIddpmOffset + 1));
    return s * s;
  };
  std::vector<double> all(kIddpmSteps + 1, 0.0);
  for (int64_t j = kIddpmSteps; j > 0; --j) {
    const double ratio =
        std::max(abar(static_cast<double>(j - 1)) / abar(static_cast<double>(j)), kIddpmFloor);
    const double above = all[static_cast<size_t>(j)];
    all[static_cast<size_t>(j) - 1] = std::sqrt((above * above + 1) / ratio - 1);
  }
  std::vector<double> kept;
  for (const double sigma : all)
    if (sigma >= low && sigma <= high) kept.push_back(sigma);
  std::vector<double> chosen;
  for (int64_t i = 0; i < steps && !kept.empty(); ++i) {
    const double position = static_cast<double>(kept.size() - 1) /
                            std::max<double>(1, static_cast<double>(steps - 1)) *
                            static_cast<double>(i);
    chosen.push_back(kept[static_cast<size_t>(std::lround(position))]);
  }
  return chosen;
}

/// sigma(t), s(t), their inverse and derivatives, element by element on float64 tensors.
struct TimeLaw {
  std::string schedule, scaling;
  VpBeta beta;

  at::Tensor time(const at::Tensor& sigma) const {
    if (schedule == "ve") return sigma.square();
    if (schedule == "linear") return sigma;
    const at::Tensor exponent = sigma.square().log1p();
    return ((beta.start * beta.start + 2 * beta.slope * exponent).sqrt() - beta.start) / beta.slope;
  }
  at::Tensor sigma(const at::Tensor& time) const {
    if (schedule == "ve") return time.sqrt();
    if (schedule == "linear") return time;
    return (0.5 * beta.slope * time.square() + beta.start * time).expm1().sqrt();
  }
  at::Tensor sigma_slope(const at::Tensor& time) const {
    if (schedule == "ve") return 0.5 / time.sqrt();
    if (schedule == "linear") return at::ones_like(time);
    const at::Tensor level = sigma(time);
    return 0.5 * (beta.start + beta.slope * time) * (level + 1 / level);
  }
  at::Tensor scale(const at::Tensor& sigma) const {
    return scaling == "vp" ? (1 + sigma.square()).rsqrt() : at::ones_like(sigma);
  }
  /// d log s / dt.
  at::Tensor log_scale_slope(const at::Tensor& time) const {
    if (scaling != "vp") return at::zeros_like(time);
    const at::Tensor level = sigma(time);
    return -level * sigma_slope(time) / (1 + level.square());
  }
};

/// dx/dt = (sigma'/sigma + s'/s) x - sigma' s / sigma D(x/s; sigma), x the scaled state; a step of
/// length h takes a slope at its start and one at t + alpha h:
///
///   x_{t+h} = x + h [ (1 - 1/(2 alpha)) d + 1/(2 alpha) d_alpha ]
class EdmFamilySampler : public Sampler {
 public:
  explicit EdmFamilySampler(const EdmFamilyConfig& config) : config_(config) {}

  int64_t num_steps() const override { return config_.steps; }
  int64_t calls_of_step(int64_t level) const override {
    return config_.solver == "heun" && level + 1 < config_.steps ? 2 : 1;
  }
  bool is_stochastic() const override { return config_.churn > 0; }
  bool takes_churn() const override { return true; }

  at::Tensor levels(const diffusion::Denoiser& denoiser) const override {
    const at::Tensor edm = noise_grid(config_, denoiser);
    if (config_.discretization == "edm") return edm;
    const double high = edm[0].item<double>(), low = edm[-2].item<double>();
    std::vector<double> levels;
    if (config_.discretization == "iddpm") {
      levels = iddpm_levels(config_.steps, low, high);
    } else {
      const VpBeta beta = vp_beta(low, high);
      for (int64_t i = 0; i < config_.steps; ++i) {
        const double along =
            static_cast<double>(i) / static_cast<double>(std::max<int64_t>(config_.steps - 1, 1));
        levels.push_back(config_.discretization == "vp"
                             ? vp_sigma(beta, 1 + along * (kVpShortest - 1))
                             : high * std::pow(low / high, along));
      }
    }
    if (levels.empty() ||
        std::adjacent_find(levels.begin(), levels.end(), std::less_equal<>()) != levels.end())
      throw UsageError({.where = "sampler.steps",
                        .what = "this discretisation has no such number of different levels",
                        .got = std::to_string(config_.steps),
                        .expected = "fewer steps, or a wider range of noise levels",
                        .hint = ""});
    at::Tensor rounded = denoiser.round_sigma(at::tensor(levels, at::kDouble)).to(at::kDouble);
    return at::cat({rounded, at::zeros({1}, at::kDouble)});
  }

  void step(const diffusion::GuidedDenoiser& model, const at::Tensor& levels,
            Walkers& walkers) const override {
    const TimeLaw law{config_.schedule, config_.scaling,
                      vp_beta(levels[-2].item<double>(), levels[0].item<double>())};
    const Place here = churned_place(config_, config_.steps, model, levels, walkers);
    const at::Tensor next = sigma_next(levels, walkers);
    const at::Tensor time = law.time(here.sigma), stride = law.time(next) - time;
    const auto each = [&](const at::Tensor& values) { return diffusion::per_item(values, here.x); };
    const at::Tensor x = each(law.scale(here.sigma)) * here.x;
    const at::Tensor slope_here = scaled_slope(model, walkers, law, x, time, false);
    at::Tensor moved = x + each(stride) * slope_here;
    const at::Tensor rows =
        config_.solver == "heun" ? next.nonzero().squeeze(1) : at::empty({0}, at::kLong);
    if (rows.numel() > 0) {
      const auto of = [&rows](const at::Tensor& values) { return values.index_select(0, rows); };
      const at::Tensor part_time = of(time) + config_.alpha * of(stride);
      const at::Tensor part_x = of(x) + config_.alpha * of(each(stride)) * of(slope_here);
      const at::Tensor slope_there =
          scaled_slope(model, pick(walkers, rows), law, part_x, part_time, true);
      const double share = 0.5 / config_.alpha;
      moved.index_copy_(
          0, rows, of(x) + of(each(stride)) * ((1 - share) * of(slope_here) + share * slope_there));
    }
    arrive(walkers, moved / each(law.scale(next)));
  }

 private:
  static at::Tensor scaled_slope(const diffusion::GuidedDenoiser& model, const Walkers& walkers,
                                 const TimeLaw& law, const at::Tensor& x, const at::Tensor& time,
                                 bool is_correction) {
    const at::Tensor sigma = law.sigma(time), scale = law.scale(sigma);
    const at::Tensor growth = law.sigma_slope(time) / sigma;
    const auto each = [&](const at::Tensor& values) { return diffusion::per_item(values, x); };
    const at::Tensor denoised =
        estimate(model, walkers, {x / each(scale), sigma}, is_correction).guided();
    return each(growth + law.log_scale_slope(time)) * x - each(growth * scale) * denoised;
  }

  EdmFamilyConfig config_;
};

const bool kRegistered = register_sampler<EdmFamilySampler, EdmFamilyConfig>(
    {.name = "edm_family",
     .summary = "The ODEs and SDEs of VP, VE, iDDPM and EDM: discretisation, schedule, scaling and "
                "solver of one's choice.",
     .source = "Karras et al. 2022 (arXiv:2206.00364), Table 1 and Alg. 2 of its ablation",
     .use_when = "to compare those choices; heun otherwise"});

}  // namespace
}  // namespace equipoise::samplers
