#include "core/process.h"

#include <malloc.h>

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include "core/caching_allocator.h"

namespace equipoise {

void set_up_process() {
  constexpr int kLargestThreshold = 1 << 25;  // the C library refuses larger ones
  constexpr int kHalfGigabyte = 1 << 29;
  mallopt(M_MMAP_THRESHOLD, kLargestThreshold);
  mallopt(M_TRIM_THRESHOLD, kHalfGigabyte);
  install_caching_allocator();
  at::set_num_threads(1);
  at::globalContext().setDeterministicCuDNN(
      true);  // a resumed run repeats every bit on a device too
}

}  // namespace equipoise
