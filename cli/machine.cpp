#include "machine.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include <ATen/ATen.h>
#include <ATen/Version.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include "core/parallel.h"
#include "nets/kernels/gemm.h"

namespace equipoise::cli {
namespace {

constexpr double kGibibyte = 1024.0 * 1024.0 * 1024.0;

/// The file's text; "" when it cannot be read. Files under /proc and /sys differ from machine to
/// machine.
std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// What follows `key` and a colon on its first line.
std::string value_after(const std::string& text, const std::string& key) {
  const size_t line = text.find(key);
  if (line == text.npos) return "";
  const size_t begin = text.find_first_not_of(" \t", text.find(':', line) + 1);
  return begin == text.npos ? "" : text.substr(begin, text.find('\n', begin) - begin);
}

/// Files mapped into this process whose name holds `part`.
std::vector<std::string> loaded_libraries(const std::string& part) {
  std::set<std::string> found;
  std::istringstream maps(text_of("/proc/self/maps"));
  for (std::string line; std::getline(maps, line);) {
    const size_t path = line.find('/');
    if (path == line.npos) continue;
    const std::string name = line.substr(path);
    if (std::filesystem::path(name).filename().string().find(part) != std::string::npos)
      found.insert(name);
  }
  return {found.begin(), found.end()};
}

Observation libtorch() {
  return {.subject = "LibTorch",
          .found = fmt::format("{}, Equipoise {}", TORCH_VERSION, EQUIPOISE_VERSION)};
}

/// Debian's alternatives let one name stand for several libraries; only the mapped file tells which
/// it is.
Observation blas() {
  std::vector<std::string> files = loaded_libraries("blas");
  for (const std::string& file : loaded_libraries("mkl_rt")) files.push_back(file);
  const std::string all = fmt::format("{}", fmt::join(files, ", "));
  const auto has = [&](const char* part) { return all.find(part) != std::string::npos; };
  Observation result;
  result.subject = "BLAS";
  const char* const name = has("mkl")        ? "MKL"
                           : has("openblas") ? "OpenBLAS"
                           : has("blis")     ? "BLIS"
                           : has("atlas")    ? "ATLAS"
                                             : "";
  // The library behind the name libblas is the one that LibTorch calls.
  const bool is_reference = has("/blas/libblas") || has("/libblas.so.3.");
  if (files.empty()) {
    result.found = "none loaded by name: it is inside LibTorch";
  } else if (is_reference) {
    result.found = "reference BLAS, " + all;
    result.verdict = Verdict::kSlow;
    result.problem =
        "matrix products run in the reference BLAS, ten to thirty times slower than they could";
    result.remedy =
        "apt-get install libopenblas0-openmp; if that is there, choose it with update-alternatives "
        "--config";
  } else {
    result.found = fmt::format("{}, {}", *name ? name : "unknown make", all);
    if (has("openblas-pthread")) {
      result.verdict = Verdict::kSlow;
      result.problem =
          "this OpenBLAS starts threads of its own beside our workers, which then wait for cores";
      result.remedy =
          "apt-get install libopenblas0-openmp and choose it with update-alternatives --config";
    } else if (const char* const core = std::getenv("OPENBLAS_CORETYPE");
               core != nullptr && has("openblas")) {
      result.verdict = Verdict::kSlow;
      result.problem =
          fmt::format("OPENBLAS_CORETYPE makes OpenBLAS take this processor for a {}", core);
      result.remedy = "unset OPENBLAS_CORETYPE";
    }
  }
  return result;
}

/// Floating point operations a second of one thread, in 1e9: the best of several 512 x 512
/// products.
double matrix_gigaflops() {
  constexpr int64_t kSize = 512;
  const at::Tensor left = at::full({kSize, kSize}, 0.5f), right = at::full({kSize, kSize}, 0.25f);
  double best_sec = 1e9;
  for (int repeat = 0; repeat < 8; ++repeat) {
    const auto begun = std::chrono::steady_clock::now();
    at::mm(left, right);
    best_sec = std::min(
        best_sec, std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
  }
  return 2.0 * kSize * kSize * kSize / best_sec / 1e9;
}

Observation matrix_speed() {
  constexpr double kSlowGigaflops = 10;
  const double speed = matrix_gigaflops();
  Observation result{.subject = "matrix product",
                     .found = fmt::format("{:.0f} GFLOP/s on one thread", speed)};
  if (speed < kSlowGigaflops) {
    result.verdict = Verdict::kSlow;
    result.problem = "matrix products are slow, so training will be";
    result.remedy = "See BLAS and instruction set; on a shared machine, look for a busy neighbour";
  }
  return result;
}

Observation onednn() {
  Observation result;
  result.subject = "oneDNN";
  const std::string config = at::show_config();
  const size_t version = config.find("MKL-DNN v");
  if (at::globalContext().hasMKLDNN()) {
    result.found = version == config.npos
                       ? "on"
                       : config.substr(version + 8, config.find(' ', version + 8) - version - 8);
  } else {
    result.found = "not in this LibTorch";
    result.verdict = Verdict::kSlow;
    result.problem = "convolutions run without oneDNN, several times slower";
    result.remedy = "Use a LibTorch that is built with it, such as Debian's libtorch-dev";
  }
  return result;
}

/// What our own operators were built with.
Observation operators() {
  const std::string products = nets::kernels::product_library();
  Observation result{.subject = "operators", .found = "products by " + products};
#ifndef __OPTIMIZE__
  result.found += ", not optimised";
  result.verdict = Verdict::kSlow;
  result.problem = "this program was compiled without optimisation";
  result.remedy = "Build it with the release preset";
#endif
  if (result.verdict == Verdict::kGood && products != "oneDNN") {
    result.verdict = Verdict::kSlow;
    result.problem = "convolutions are made of LibTorch's products, which are a third slower";
    result.remedy = "apt-get install libdnnl-dev and build again";
  }
  return result;
}

Observation instruction_set() {
  const std::string info = text_of("/proc/cpuinfo");
  const std::string flags = fmt::format(" {} ", value_after(info, "flags"));
  std::vector<std::string> present;
  for (const char* flag :
       {"sse4_2", "avx", "fma", "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile"})
    if (flags.find(fmt::format(" {} ", flag)) != std::string::npos) present.push_back(flag);
  std::string used = value_after(at::show_config(), "CPU capability usage");
  Observation result{
      .subject = "instruction set",
      .found = fmt::format("{}; {}; LibTorch uses {}", value_after(info, "model name"),
                           fmt::join(present, " "), used.empty() ? "its default" : used)};
  const bool has_avx2 = std::ranges::find(present, "avx2") != present.end();
  if (!present.empty() && !has_avx2) {
    result.verdict = Verdict::kSlow;
    result.problem =
        "the processor has no AVX2 (or a virtual machine hides it), so everything runs at a "
        "fraction of the usual "
        "speed";
    result.remedy =
        "Use a newer machine, or let the virtual machine pass the host's processor through";
  } else if (has_avx2 && (used == "DEFAULT" || used == "NO AVX")) {
    result.verdict = Verdict::kSlow;
    result.problem = "LibTorch does not use the AVX2 that the processor has";
    result.remedy = "Unset ATEN_CPU_CAPABILITY";
  }
  return result;
}

/// Cores that the control group grants; a large number when it sets no limit.
double granted_cores() {
  std::istringstream limit(text_of("/sys/fs/cgroup/cpu.max"));
  double quota = 0, period = 0;
  return limit >> quota >> period && period > 0 ? quota / period : 1e9;
}

Observation cores() {
  const auto usable = static_cast<double>(num_cores());
  const double granted = granted_cores();
  Observation result{.subject = "cores",
                     .found = fmt::format("{} of {} usable, one worker thread each", num_cores(),
                                          std::thread::hardware_concurrency())};
  if (granted < usable - 0.5) {
    result.verdict = Verdict::kSlow;
    result.problem = fmt::format(
        "the container may use {:.1f} of these cores, so workers will wait for each other",
        granted);
    result.remedy = fmt::format("Set threads = {} in the config",
                                std::max<int64_t>(1, static_cast<int64_t>(granted)));
  } else if (usable < 2) {
    result.verdict = Verdict::kSlow;
    result.problem = "one core: the presets' times assume two";
    result.remedy = "Give the process more cores, or expect twice the time";
  }
  return result;
}

Observation memory() {
  constexpr double kLeastGibibytes = 2;
  const std::string info = text_of("/proc/meminfo");
  const auto gibibytes = [&](const char* key) {
    return std::strtod(value_after(info, key).c_str(), nullptr) / 1024 / 1024;
  };
  const double limit = std::strtod(text_of("/sys/fs/cgroup/memory.max").c_str(), nullptr) /
                       kGibibyte;  // "max" reads as 0
  double available = gibibytes("MemAvailable");
  std::string found =
      fmt::format("{:.1f} GiB free of {:.1f} GiB", available, gibibytes("MemTotal"));
  if (limit > 0) {
    available = std::min(available, limit);
    found += fmt::format("; the container may use {:.1f} GiB", limit);
  }
  Observation result{.subject = "memory", .found = found};
  if (available < kLeastGibibytes) {
    result.verdict = Verdict::kBroken;
    result.problem = "too little memory for the demo, which needs 2 GiB";
    result.remedy = "Close other programs or give the container more";
  }
  return result;
}

Observation disk() {
  constexpr double kLeastGibibytes = 1;
  struct statvfs status {};
  const std::string folder = std::filesystem::current_path().string();
  statvfs(folder.c_str(), &status);
  const double free_gibibytes =
      static_cast<double>(status.f_bavail) * static_cast<double>(status.f_frsize) / kGibibyte;
  Observation result{.subject = "disk",
                     .found = fmt::format("{:.1f} GiB free in {}", free_gibibytes, folder)};
  if (access(folder.c_str(), W_OK) != 0) {
    result.verdict = Verdict::kBroken;
    result.problem = "this folder cannot be written to";
    result.remedy = "Work in another folder, or give --out";
  } else if (free_gibibytes < kLeastGibibytes) {
    result.verdict = Verdict::kBroken;
    result.problem = "too little room for a run's models, samples and checkpoints";
    result.remedy = "Free at least 1 GiB, or give --out on another disk";
  }
  return result;
}

Observation device() {
  const auto num_devices = torch::cuda::device_count();
  Observation result{.subject = "device",
                     .found = num_devices > 0 ? fmt::format("{} CUDA device{}", num_devices,
                                                            num_devices > 1 ? "s" : "")
                                              : "processor only"};
  if (num_devices == 0 && std::filesystem::exists("/dev/nvidia0")) {
    result.verdict = Verdict::kSlow;
    result.problem = "this machine has an NVIDIA device, but this LibTorch cannot use it";
    result.remedy = "Build with the gpu preset against a CUDA LibTorch (CMAKE_PREFIX_PATH)";
  }
  return result;
}

Observation allocator() {
  for (const char* name : {"jemalloc", "tcmalloc", "mimalloc"})
    if (!loaded_libraries(name).empty()) return {.subject = "allocator", .found = name};
  return {.subject = "allocator", .found = "C library, told to keep freed memory"};
}

Observation threads_setting() {
  const char* const setting = std::getenv("OMP_NUM_THREADS");
  return {.subject = "OMP_NUM_THREADS",
          .found = setting
                       ? fmt::format("{} (changes nothing: every worker computes on one thread)",
                                     setting)
                       : "not set"};
}

}  // namespace

std::vector<Observation> observe_machine() {
  return {libtorch(),        blas(),     matrix_speed(),    onednn(), operators(),
          instruction_set(), cores(),    threads_setting(), memory(), disk(),
          device(),          allocator()};
}

}  // namespace equipoise::cli
