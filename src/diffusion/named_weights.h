// Finding one network among the tensors of a file that others wrote.
#pragma once

#include <string>

#include "nets/state.h"

namespace equipoise::diffusion {

/// The tensors whose names begin with `prefix`, without it. An empty prefix is found by itself: it
/// is what stands before `marker`, a part of a name that every such network has.
///
/// Returns nothing when no name has the marker or the prefix. Throws UsageError naming `where` when
/// the marker stands behind several prefixes.
nets::NamedTensors tensors_of_network(nets::NamedTensors all, std::string prefix,
                                      const std::string& marker, const std::string& where);

}  // namespace equipoise::diffusion
