// Random parts of a set that do not depend on the order in which its rows happen to lie.
#pragma once

#include <cstdint>

#include <torch/types.h>

#include "core/random.h"

namespace equipoise::metrics {

/// The rows of `rows` [N,F] in an order given by their content: indices [N] int64, ascending by a
/// hash of each row's bytes (FNV-1a, 64 bits; Fowler, Noll & Vo 1991). Shuffled rows give the same
/// sequence of rows. The order is arbitrary, not random: pick from it with `random_part`.
at::Tensor content_order(const at::Tensor& rows);

/// `count` of the indices in `order` without replacement, all orders equally likely. The result
/// depends on the stream and the sequence in `order` alone.
/// Throws: UsageError unless 0 <= count <= order.numel().
at::Tensor random_part(const at::Tensor& order, int64_t count, const RandomStream& stream);

}  // namespace equipoise::metrics
