// Mean distance to the k nearest references: how sparse the reference is where a sample lies.
#pragma once

#include <cstdint>

#include <torch/types.h>

#include "metrics/neighbours.h"

namespace equipoise::metrics {

/// AvgkNN(g) = mean distance to its k nearest references, which the options' `k` sets; large in
/// sparse regions.
///
/// A sample that is a reference counts itself at distance 0, unless `skip_same_row` says that row i
/// of both sets is the same image.
/// Source: Um, Lee & Ye 2024 (arXiv:2301.12334), after Sehwag et al. 2022
/// (arXiv:2203.17260). Differs: the k of the paper is not stated; 5 here.
/// Shapes: samples [N,F], references [M,F]; returns [N] float64, in the features' own scale.
/// Throws: as nearest_neighbours.
at::Tensor average_neighbour_distances(const at::Tensor& samples, const at::Tensor& references,
                                       const NeighbourOptions& options = {.k = 5});

}  // namespace equipoise::metrics
