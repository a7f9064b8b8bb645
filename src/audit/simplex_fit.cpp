#include "audit/simplex_fit.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/ATen.h>

namespace equipoise::audit {
namespace {

using Row = std::vector<double>;
using Matrix = std::vector<Row>;

constexpr double kNothing = 1e-20;    // squared distances below are none
constexpr double kTolerance = 1e-12;  // of the largest squared distance
constexpr double kSmallest = 1e-13;   // weights below are 0

Matrix to_rows(const at::Tensor& gram) {
  const at::Tensor values = gram.to(at::kDouble).contiguous();
  const double* data = values.data_ptr<double>();
  const auto size = static_cast<size_t>(values.size(0));
  Matrix rows(size);
  for (size_t i = 0; i < size; ++i) rows[i].assign(data + i * size, data + (i + 1) * size);
  return rows;
}

double largest_diagonal(const Matrix& gram) {
  double largest = 0;
  for (size_t k = 0; k < gram.size(); ++k) largest = std::max(largest, gram[k][k]);
  return largest;
}

double dot(const Row& a, const Row& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// Gauss with pivots; empty when the matrix is singular.
Row solve(Matrix a, Row b) {
  const size_t size = b.size();
  for (size_t column = 0; column < size; ++column) {
    size_t pivot = column;
    for (size_t i = column + 1; i < size; ++i)
      if (std::abs(a[i][column]) > std::abs(a[pivot][column])) pivot = i;
    if (a[pivot][column] == 0) return {};
    std::swap(a[pivot], a[column]);
    std::swap(b[pivot], b[column]);
    for (size_t i = column + 1; i < size; ++i) {
      const double factor = a[i][column] / a[column][column];
      for (size_t j = column; j < size; ++j) a[i][j] -= factor * a[column][j];
      b[i] -= factor * b[column];
    }
  }
  for (size_t i = size; i-- > 0;) {
    for (size_t j = i + 1; j < size; ++j) b[i] -= a[i][j] * b[j];
    b[i] /= a[i][i];
  }
  return b;
}

/// Minimiser of b' G b over sum b = 1 on the corners `kept`, of either sign; empty when they do not
/// determine it.
Row affine_minimiser(const Matrix& gram, const std::vector<size_t>& kept, double scale) {
  const size_t size = kept.size();
  Matrix system(size + 1, Row(size + 1, 0));
  for (size_t i = 0; i < size; ++i) {
    for (size_t j = 0; j < size; ++j) system[i][j] = gram[kept[i]][kept[j]] / scale;
    system[i][size] = system[size][i] = 1;
  }
  Row right(size + 1, 0);
  right[size] = 1;
  Row result = solve(std::move(system), std::move(right));
  if (!result.empty()) result.pop_back();
  return result;
}

/// Moves the weights of `kept` to their affine minimiser, dropping corners whose weight would turn
/// negative on the way. False when there is no such minimiser.
bool settle(const Matrix& gram, double scale, std::vector<size_t>& kept, Row& weights) {
  while (true) {
    const Row goal = affine_minimiser(gram, kept, scale);
    if (goal.empty()) return false;
    double step = 1;
    for (size_t i = 0; i < kept.size(); ++i)
      if (goal[i] < kSmallest) {
        const double from = weights[kept[i]];
        step = std::min(step, from / std::max(from - goal[i], kSmallest));
      }
    std::vector<size_t> left;
    for (size_t i = 0; i < kept.size(); ++i) {
      double& weight = weights[kept[i]];
      weight += step * (goal[i] - weight);
      if (weight > kSmallest)
        left.push_back(kept[i]);
      else
        weight = 0;
    }
    const bool is_settled = left.size() == kept.size();
    kept = left;
    if (is_settled) return true;
  }
}

}  // namespace

std::vector<double> nearest_in_hull(const at::Tensor& gram_matrix) {
  const Matrix gram = to_rows(gram_matrix);
  const size_t count = gram.size();
  const double scale = largest_diagonal(gram);
  if (scale < kNothing) return Row(count, 1 / static_cast<double>(count));
  size_t nearest = 0;
  for (size_t k = 1; k < count; ++k)
    if (gram[k][k] < gram[nearest][nearest]) nearest = k;
  std::vector<size_t> kept{nearest};
  Row weights(count, 0);
  weights[nearest] = 1;
  for (size_t round = 0; round < 100 * count; ++round) {
    Row products(count);
    for (size_t k = 0; k < count; ++k) products[k] = dot(gram[k], weights);
    const auto entering =
        static_cast<size_t>(std::min_element(products.begin(), products.end()) - products.begin());
    const bool is_optimal = products[entering] >= dot(products, weights) - kTolerance * scale;
    if (is_optimal || std::find(kept.begin(), kept.end(), entering) != kept.end()) break;
    const Row before = weights;
    kept.push_back(entering);
    if (!settle(gram, scale, kept, weights)) return before;
  }
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) weight /= sum;
  return weights;
}

std::vector<double> nearest_on_segment(const at::Tensor& gram_matrix) {
  const Matrix gram = to_rows(gram_matrix);
  const double length = gram[0][0] - 2 * gram[0][1] + gram[1][1];
  if (length < kNothing) return {0.5, 0.5};
  const double first = std::clamp((gram[1][1] - gram[0][1]) / length, 0.0, 1.0);
  return {first, 1 - first};
}

double optimality_gap(const at::Tensor& gram_matrix, const std::vector<double>& weights) {
  const Matrix gram = to_rows(gram_matrix);
  Row products(gram.size());
  for (size_t k = 0; k < gram.size(); ++k) products[k] = dot(gram[k], weights);
  const double value = dot(products, weights);
  double gap = 0;
  for (size_t k = 0; k < gram.size(); ++k)
    gap = std::max(gap, weights[k] > 0 ? std::abs(products[k] - value) : value - products[k]);
  return gap / std::max(largest_diagonal(gram), kNothing);
}

}  // namespace equipoise::audit
