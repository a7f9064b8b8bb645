// Large tensors' memory, kept for the next tensor of the size.
#pragma once

#include <cstdint>

namespace equipoise {

/// Numbers of the allocator since the process began. Large: 64 KiB and more.
struct AllocationCounts {
  int64_t num_large = 0;     ///< large blocks asked for
  int64_t num_system = 0;    ///< of these, the ones that had to be fetched from the system
  int64_t live_bytes = 0;    ///< large blocks in use
  int64_t peak_bytes = 0;    ///< most that was ever in use
  int64_t cached_bytes = 0;  ///< large blocks kept for later
};

/// Makes LibTorch take the memory of processor tensors from here. Call once, before other threads
/// exist.
///
/// A training or sampling loop asks for the same sizes again and again; after its first rounds every
/// large block comes from the free ones of its size class (sizes are rounded up by an eighth at
/// most) or of one up to half as large again, without a call into the C library or the kernel, and
/// without page faults. Small blocks go to the C library. What is kept beyond 2 GiB is given back.
void install_caching_allocator();

AllocationCounts allocation_counts();
/// Starts a new measurement of peak_bytes.
void reset_peak_bytes();
/// Gives everything that is kept back to the system.
void release_cached_memory();

}  // namespace equipoise
