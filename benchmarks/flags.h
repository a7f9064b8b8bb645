// Flags of the timed programs, beside Google Benchmark's own.
#pragma once

#include <c10/core/Device.h>

namespace equipoise::benchmarks {

/// Takes --device=cpu|cuda, --precision=auto|fp32|fp32-fast|bf16 and --cuda_graphs=on|off out of the
/// arguments and sets the process up for them.
void take_flags(int& argc, char** argv);

/// Where networks live.
c10::Device device();

/// Waits for what the device has been given to do.
void wait_for_device();

}  // namespace equipoise::benchmarks
