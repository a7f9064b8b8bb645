// Several processes that train one model together, each on its share of every batch.
#pragma once

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

namespace equipoise {

/// What the processes of one run need of each other. This base is the group of one.
///
/// Every process must make the same calls in the same order; a call returns once all have made it.
class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;
  virtual int64_t rank() const { return 0; }  ///< 0 … size() - 1; the first keeps what is written
  virtual int64_t size() const { return 1; }
  /// Replaces `values` (contiguous float32 or float64, of the same size everywhere) by their sum over
  /// all processes, the same bits in each. Values on a device go through the processor's memory.
  virtual void sum(const at::Tensor& /*values*/) const {}

  /// Whether any process says so.
  bool any(bool flag) const;
};

/// The processes this one was started with by mpirun, or by srun with PMI; a group of one otherwise.
///
/// Joined at the first call and left when the program ends. Throws EnvironmentError when the
/// launcher's processes can't be reached: the program was built without MPI, or with another one.
std::shared_ptr<const ProcessGroup> launched_group();

/// Ends all processes of the group that was joined, this one too: others may be waiting for one that
/// failed. Returns where none was joined.
void abandon_launched_group(int exit_code);

}  // namespace equipoise
