// The point of a convex hull nearest to the origin, as weights of its corners.
#pragma once

#include <vector>

#include <torch/types.h>

namespace equipoise::audit {

/// argmin a' G a over a >= 0, sum a = 1, for Gram matrix G = Z Z' [K,K] float64: the weights of the
/// point nearest to 0 among the convex combinations of the rows of Z.
///
/// Active set: corners come in one at a time while any lies beyond the plane through the point,
/// (G a)_k < a' G a, and go out when their weight reaches 0. Equal corners share their sum in no
/// particular way; when all of G is below 1e-20, all weights are 1/K.
/// Source: Wolfe 1976, Finding the nearest point in a polytope.
std::vector<double> nearest_in_hull(const at::Tensor& gram);

/// The same for two corners in closed form:
///
///   a_1 = clip(<-z_2, z_1 - z_2> / |z_1 - z_2|^2, 0, 1),     1/2 when |z_1 - z_2|^2 < 1e-20
std::vector<double> nearest_on_segment(const at::Tensor& gram);

/// Largest violation of the conditions of the minimum, in units of the largest |G_kk|: (G a)_k >=
/// a' G a, with equality where a_k > 0.
double optimality_gap(const at::Tensor& gram, const std::vector<double>& weights);

}  // namespace equipoise::audit
