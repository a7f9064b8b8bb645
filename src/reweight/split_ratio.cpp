#include "reweight/split_ratio.h"

#include <vector>

#include "core/libtorch.h"

namespace equipoise::reweight {

at::Tensor SplitRatio::log_ratio(const at::Tensor& x, const at::Tensor& sigma,
                                 const at::Tensor& labels) const {
  const at::Tensor is_above = sigma >= first_above_;
  std::vector<at::Tensor> places, values;
  const auto ask = [&](const diffusion::DensityRatio& ratio, const at::Tensor& is_asked) {
    const at::Tensor place = is_asked.nonzero().squeeze(1);
    if (place.numel() == 0) return;
    places.push_back(place);
    values.push_back(ratio.log_ratio(x.index_select(0, place), sigma.index_select(0, place),
                                     labels.defined() ? labels.index_select(0, place) : labels));
  };
  ask(*below_, is_above.logical_not());
  ask(*above_, is_above);
  return at::cat(values).index_select(0, at::cat(places).argsort());
}

}  // namespace equipoise::reweight
