#include "train/flat_parameters.h"

#include <algorithm>

#include "core/error.h"
#include "core/libtorch.h"

namespace equipoise::train {
namespace {

constexpr int64_t kAlignment = 16;

}  // namespace

FlatParameters::FlatParameters(std::vector<at::Tensor> parameters)
    : parameters_(std::move(parameters)) {
  EQUIPOISE_ASSERT(!parameters_.empty());
  int64_t size = 0;
  for (const at::Tensor& parameter : parameters_) {
    EQUIPOISE_ASSERT(parameter.scalar_type() == at::kFloat);
    offsets_.push_back(size);
    size += (parameter.numel() + kAlignment - 1) / kAlignment * kAlignment;
  }
  torch::NoGradGuard no_grad;
  values_ = at::zeros({size}, parameters_[0].options().requires_grad(false));
  const std::vector<at::Tensor> slices = views_of(values_);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    slices[i].copy_(parameters_[i]);
    parameters_[i].set_data(slices[i]);
  }
}

std::vector<at::Tensor> FlatParameters::views_of(const at::Tensor& flat) const {
  std::vector<at::Tensor> views;
  for (size_t i = 0; i < parameters_.size(); ++i)
    views.push_back(
        flat.narrow(0, offsets_[i], parameters_[i].numel()).view(parameters_[i].sizes()));
  return views;
}

void FlatParameters::average_gradients(const std::vector<std::vector<at::Tensor>>& lanes,
                                       double divisor, int64_t begin, int64_t end,
                                       const at::Tensor& flat) const {
  // Pieces stay in a processor's cache between sum and division; a device wants few launches.
  const bool is_in_pieces = flat.is_cpu();
  const int64_t most = is_in_pieces ? 64 * 1024 : flat.numel();
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const int64_t first = std::max(begin, offsets_[i]),
                  last = std::min(end, offsets_[i] + parameters_[i].numel());
    for (int64_t from = first; from < last; from += most) {
      const int64_t size = std::min(most, last - from);
      const at::Tensor sum = flat.narrow(0, from, size);
      bool is_empty = true;
      for (const auto& gradients : lanes) {
        if (!gradients[i].defined()) continue;
        const at::Tensor part = gradients[i].reshape({-1}).narrow(0, from - offsets_[i], size);
        is_empty ? sum.copy_(part) : sum.add_(part);
        is_empty = false;
      }
      if (is_empty) sum.zero_();
      if (is_in_pieces) sum.div_(divisor);
    }
  }
  if (!is_in_pieces) flat.narrow(0, begin, end - begin).div_(divisor);
}

}  // namespace equipoise::train
