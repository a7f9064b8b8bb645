#include "nets/network.h"

#include "nets/make_network.h"

namespace equipoise::nets {

std::shared_ptr<DenoiserNetwork> make_denoiser_network(const NetworkConfig& config,
                                                       const DataShape& shape, uint64_t init_seed) {
  return make_network<DenoiserNetwork>(config, shape, init_seed);
}

}  // namespace equipoise::nets
