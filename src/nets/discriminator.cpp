#include "nets/discriminator.h"

#include "nets/make_network.h"

namespace equipoise::nets {

std::vector<at::Tensor> DiscriminatorNetwork::trainable_parameters() const {
  std::vector<at::Tensor> result;
  for (const at::Tensor& parameter : parameters())
    if (parameter.requires_grad()) result.push_back(parameter);
  return result;
}

std::shared_ptr<DiscriminatorNetwork> make_discriminator_network(const NetworkConfig& config,
                                                                 const DataShape& shape,
                                                                 uint64_t init_seed) {
  return make_network<DiscriminatorNetwork>(config, shape, init_seed);
}

}  // namespace equipoise::nets
