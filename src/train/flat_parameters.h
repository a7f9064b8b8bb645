// A network's trainable weights as one contiguous vector, so that optimizer, average and checkpoint
// are single passes.
#pragma once

#include <vector>

#include <torch/types.h>

namespace equipoise::train {

/// Moves parameters into one buffer; each parameter becomes a view of its slice (slices start at
/// multiples of 16 floats).
class FlatParameters {
 public:
  /// All parameters float32 on one device. The parameters stay usable by their networks.
  explicit FlatParameters(std::vector<at::Tensor> parameters);
  const std::vector<at::Tensor>& parameters() const { return parameters_; }
  /// [size] float32, shared with the parameters. Padding between slices is zero.
  const at::Tensor& values() const { return values_; }
  int64_t size() const { return values_.numel(); }
  /// The flat gradient's elements from `begin` on: the sum of `lanes`, each a gradient for every
  /// parameter (undefined = zero), divided by `divisor`. out: [count]; padding becomes zero.
  void average_gradients(const std::vector<std::vector<at::Tensor>>& lanes, double divisor,
                         int64_t begin, const at::Tensor& out) const;
  /// For every parameter, its part of `flat` in the parameter's shape (a view).
  std::vector<at::Tensor> views_of(const at::Tensor& flat) const;

 private:
  std::vector<at::Tensor> parameters_;
  std::vector<int64_t> offsets_;
  at::Tensor values_;
};

}  // namespace equipoise::train
