#include "core/process_group.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>

#include <fmt/format.h>
#ifdef EQUIPOISE_MPI
#include <mpi.h>
#endif

#include "core/error.h"
#include "core/libtorch.h"

namespace equipoise {
namespace {

/// As the launchers of Open MPI, MPICH and Slurm tell their processes; 1 without a launcher.
int64_t num_launched() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"})
    if (const char* text = std::getenv(name)) return std::max(1L, std::strtol(text, nullptr, 10));
  return 1;
}

[[noreturn]] void throw_not_reached(const std::string& what, int64_t reached) {
  throw EnvironmentError({.where = "mpirun",
                          .what = what,
                          .got = fmt::format("{} of {} processes", reached, num_launched()),
                          .expected = "all of them",
                          .hint = "Start one process, or build with the MPI whose mpirun this is"});
}

#ifdef EQUIPOISE_MPI
class MpiGroup : public ProcessGroup {
 public:
  MpiGroup() {
    // Only the thread that runs the training loop calls; others compute meanwhile.
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    if (size_ != num_launched()) {
      MPI_Finalize();
      throw_not_reached("the launcher belongs to another MPI than this program", size_);
    }
  }
  ~MpiGroup() override { MPI_Finalize(); }
  MpiGroup(const MpiGroup&) = delete;
  MpiGroup& operator=(const MpiGroup&) = delete;

  int64_t rank() const override { return rank_; }
  int64_t size() const override { return size_; }

  void sum(const at::Tensor& values) const override {
    const at::Tensor here = values.is_cpu() ? values : values.cpu();
    const bool is_double = here.scalar_type() == at::kDouble;
    // MPI counts with an int.
    constexpr int64_t kMost = int64_t{1} << 28;
    for (int64_t first = 0; first < here.numel(); first += kMost) {
      const auto count = static_cast<int>(std::min(kMost, here.numel() - first));
      void* data = static_cast<char*>(here.data_ptr()) + first * here.element_size();
      MPI_Allreduce(MPI_IN_PLACE, data, count, is_double ? MPI_DOUBLE : MPI_FLOAT, MPI_SUM,
                    MPI_COMM_WORLD);
    }
    if (!values.is_cpu()) values.copy_(here);
  }

 private:
  int rank_ = 0, size_ = 1;
};
#endif

std::shared_ptr<const ProcessGroup> join_launched() {
  if (num_launched() == 1) return std::make_shared<ProcessGroup>();
#ifdef EQUIPOISE_MPI
  return std::make_shared<MpiGroup>();
#else
  throw_not_reached("this program was built without MPI", 1);
#endif
}

}  // namespace

bool ProcessGroup::any(bool flag) const {
  if (size() == 1) return flag;
  const at::Tensor count = at::full({1}, flag ? 1.0 : 0.0, at::kDouble);
  sum(count);
  return count.item<double>() > 0;
}

std::shared_ptr<const ProcessGroup> launched_group() {
  static const std::shared_ptr<const ProcessGroup> group = join_launched();
  return group;
}

void abandon_launched_group([[maybe_unused]] int exit_code) {
#ifdef EQUIPOISE_MPI
  int is_joined = 0, is_left = 0;
  MPI_Initialized(&is_joined);
  MPI_Finalized(&is_left);
  if (is_joined && !is_left) MPI_Abort(MPI_COMM_WORLD, exit_code);
#endif
}

}  // namespace equipoise
