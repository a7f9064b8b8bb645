// Settings of the whole process that training and sampling are fast with.
#pragma once

namespace equipoise {

/// Call once at the start of main(), before other threads exist. LibTorch's operators are set to
/// one thread (work is spread over workers of one thread each, core/parallel.h), tensors take their
/// memory from a cache (core/caching_allocator.h), and the C library is set to keep freed memory:
/// network outputs of many megabytes come and go all the time; by default each is handed back to
/// the system, and every page of the next one is then faulted in and zeroed anew, which costs more
/// than small convolutions do.
void set_up_process();

}  // namespace equipoise
