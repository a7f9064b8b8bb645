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
                                       double divisor, int64_t begin, const at::Tensor& out) const {
  const int64_t end = begin + out.numel();
  out.zero_();
  const auto after = std::upper_bound(offsets_.begin(), offsets_.end(), begin);
  for (size_t i = static_cast<size_t>(after - offsets_.begin()) - 1;
       i < offsets_.size() && offsets_[i] < end; ++i) {
    const int64_t first = std::max(begin, offsets_[i]),
                  last = std::min(end, offsets_[i] + parameters_[i].numel());
    if (first >= last) continue;
    const at::Tensor sum = out.narrow(0, first - begin, last - first);
    for (const auto& gradients : lanes)
      if (gradients[i].defined())
        sum.add_(gradients[i].reshape({-1}).narrow(0, first - offsets_[i], last - first));
  }
  out.div_(divisor);
}

}  // namespace equipoise::train
