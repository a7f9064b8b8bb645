// Images drawn while a denoiser is trained.
#pragma once

#include <memory>
#include <string>

#include "diffusion/precondition.h"
#include "pipeline/training_stages.h"
#include "train/loop.h"

namespace equipoise::pipeline {

/// `task`, and at every tick `sample.preview` images of the averaged weights, always of the same
/// seeds, by the run's sampler, conditional models' of every class in turn. `task` itself when
/// sample.preview is 0.
///
/// Notes of the tick: "preview_grid", the first of them as samples/previews/NAME-IMAGES.png and,
/// until the run draws its samples, as samples/NAME.png. Once the run has its classifier also
/// "preview_shares" as counted, "preview_total_variation" of these to the target and
/// "preview_kernel_distance" to evaluation images on the classifier's features
/// (metrics::kernel_distance): quick numbers without intervals. Training is not changed by them.
std::shared_ptr<const train::TrainingTask> with_preview(
    const TrainingContext& context, const std::string& name,
    std::shared_ptr<const diffusion::PreconditionedDenoiser> denoiser,
    std::shared_ptr<const train::TrainingTask> task);

}  // namespace equipoise::pipeline
