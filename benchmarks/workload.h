// The workloads of benchmarks/workloads.json, which the peer in Python reads too.
#pragma once

#include <memory>
#include <string>

#include "data/image_set.h"
#include "diffusion/precondition.h"

namespace equipoise::benchmarks {

/// "S" or "C" as a model to build.
diffusion::ModelConfig read_workload(const std::string& name);

/// Adds 0.02 n to every parameter: freshly made networks end in a convolution that is almost zero,
/// which would hide a difference.
void roughen(torch::nn::Module& network);

/// `num` images of uniform noise, uint8.
std::shared_ptr<const data::ImageSet> random_images(const nets::DataShape& shape, int64_t num);

}  // namespace equipoise::benchmarks
