#include "train/flat_parameters.h"

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

void FlatParameters::copy_gradients(const std::vector<at::Tensor>& gradients,
                                    at::Tensor& flat) const {
  EQUIPOISE_ASSERT(gradients.size() == parameters_.size());
  const std::vector<at::Tensor> slices = views_of(flat);
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (gradients[i].defined())
      slices[i].copy_(gradients[i]);
    else
      slices[i].zero_();
  }
}

void FlatParameters::add_gradients(const std::vector<at::Tensor>& gradients,
                                   at::Tensor& flat) const {
  EQUIPOISE_ASSERT(gradients.size() == parameters_.size());
  for (size_t i = 0; i < gradients.size(); ++i)
    if (gradients[i].defined())
      flat.narrow(0, offsets_[i], gradients[i].numel()).add_(gradients[i].reshape({-1}));
}

}  // namespace equipoise::train
