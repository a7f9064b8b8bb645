// The denoiser network of a run that names none.
#pragma once

#include "nets/network.h"

namespace equipoise::nets {

/// A starting point for two cores, measured at 28x28 and 32x32 only (docs/adr/0004): two levels of
/// 64 channels on patches, so that the finer level is 8 to 16 positions wide up to 64x64; patches
/// of 1 pixel up to 16x16, 2 up to 32x32, 4 above. Vectors: MLP.
NetworkConfig default_denoiser_network(const DataShape& shape);

}  // namespace equipoise::nets
