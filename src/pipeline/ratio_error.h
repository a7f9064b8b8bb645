// How wrong trained density ratios are where the right one is known (toy laws).
#pragma once

#include <nlohmann/json.hpp>

#include "pipeline/training_stages.h"

namespace equipoise::pipeline {

/// True for data whose density ratio is known in closed form.
bool has_closed_form(const ImageData& data);

/// MSE(t) = E_{x ~ p_bias^t} [ (w_hat(x, t) - w(x, t))^2 ] at 50 equally spaced t in (0, 1), x =
/// 20,000 fresh points each, for the time-dependent discriminator; for the time-independent one its
/// error at t = 0, carried over all t; and the ratio of the areas.
///
/// Source: Kim et al. 2024 (arXiv:2403.01189), the figure of the density-ratio error; published
/// ratio of areas 0.391. Its sample sizes and networks are not known; ours are the preset's.
/// Random: points from streams (seed, kToyData), noise from (seed, kEvaluation). Returns {"levels":
/// [{"time", "sigma", "mse_time_dependent"}], "mse_time_independent", "area_ratio",
/// "clean_probability_histogram"}.
nlohmann::json measure_ratio_error(const TrainingContext& context);

}  // namespace equipoise::pipeline
