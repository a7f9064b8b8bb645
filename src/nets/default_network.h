// The denoiser network of a run that names none.
#pragma once

#include "nets/network.h"

namespace equipoise::nets {

/// What gave the best images after a minute on two cores at 8, 16, 28, 32 and 64 pixels
/// (docs/adr/0004): two levels on patches of 1 pixel up to 8x8, 2 up to 32x32, 4 above; 32 and 64
/// channels up to 32x32, 64 and 64 above. Vectors: MLP.
NetworkConfig default_denoiser_network(const DataShape& shape);

}  // namespace equipoise::nets
