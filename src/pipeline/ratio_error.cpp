#include "pipeline/ratio_error.h"

#include "core/libtorch.h"
#include "core/random.h"
#include "diffusion/mixture_law.h"
#include "diffusion/vp_time.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;

constexpr int64_t kNumPoints = 20'000, kNumTimes = 50, kNumBins = 20;
// Apart from the points of the data set, whatever its size.
constexpr int64_t kFirstFreshPoint = int64_t{1} << 40;

double mean_squared_error(const diffusion::DensityRatio& estimate,
                          const diffusion::DensityRatio& exact, const at::Tensor& x,
                          const at::Tensor& sigma) {
  torch::NoGradGuard no_grad;
  const at::Tensor difference =
      estimate.log_ratio(x, sigma).exp() - exact.log_ratio(x, sigma).exp();
  return difference.to(at::kDouble).pow(2).mean().item<double>();
}

/// Probabilities d of clean points: an over-confident ratio piles up at 0 and 1.
Json histogram_of_probabilities(const diffusion::DensityRatio& ratio, const at::Tensor& points) {
  torch::NoGradGuard no_grad;
  const at::Tensor d = at::sigmoid(ratio.log_ratio(points, at::zeros({points.size(0)})));
  const at::Tensor bins = d.mul(kNumBins).to(at::kLong).clamp_max(kNumBins - 1);
  const at::Tensor counts = at::bincount(bins, {}, kNumBins);
  return std::vector<int64_t>(counts.data_ptr<int64_t>(), counts.data_ptr<int64_t>() + kNumBins);
}

}  // namespace

bool has_closed_form(const ImageData& data) {
  return data.training->source.rfind("toy:two-gaussians", 0) == 0;
}

Json measure_ratio_error(const TrainingContext& context) {
  const auto seed = static_cast<uint64_t>(context.config.seed);
  const diffusion::LawPair laws = diffusion::two_mode_laws();
  const diffusion::MixtureRatio exact(laws.unbiased, laws.biased);
  const auto time_dependent = load_ratio(context, objectives::RatioNeed::kTimeDependent);
  const auto time_independent = load_ratio(context, objectives::RatioNeed::kTimeIndependent);
  const at::Tensor numbers = at::arange(kFirstFreshPoint, kFirstFreshPoint + kNumPoints);
  const at::Tensor points = laws.biased->sample(seed, numbers);
  const double carried =
      mean_squared_error(*time_independent, exact, points, at::zeros({kNumPoints}));
  Json levels = Json::array();
  double area = 0;
  for (int64_t step = 0; step < kNumTimes; ++step) {
    const double time = (static_cast<double>(step) + 0.5) / kNumTimes;
    const double sigma = diffusion::vp_sigma(time);
    const at::Tensor noise = random_normal(seed, Purpose::kEvaluation, numbers, {points.size(1)},
                                           static_cast<uint32_t>(step));
    const double error = mean_squared_error(*time_dependent, exact, points + sigma * noise,
                                            at::full({kNumPoints}, sigma));
    levels.push_back({{"time", time}, {"sigma", sigma}, {"mse_time_dependent", error}});
    area += error / kNumTimes;
  }
  return {{"levels", levels},
          {"mse_time_independent", carried},
          {"area_ratio", area / carried},
          {"clean_probability_histogram",
           {{"time_dependent", histogram_of_probabilities(*time_dependent, points)},
            {"time_independent", histogram_of_probabilities(*time_independent, points)},
            {"exact", histogram_of_probabilities(exact, points)}}}};
}

}  // namespace equipoise::pipeline
