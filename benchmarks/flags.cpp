#include "flags.h"

#include <algorithm>
#include <string>
#include <string_view>

#include <torch/cuda.h>

#include "core/process.h"
#include "nets/network_graphs.h"
#include "nets/precision.h"

namespace equipoise::benchmarks {
namespace {

c10::Device chosen_device = c10::kCPU;

/// The value of --NAME=VALUE, taken out of the arguments; `otherwise` where there is none.
std::string take(const std::string& name, const std::string& otherwise, int& argc, char** argv) {
  const std::string start = "--" + name + "=";
  char** const end = argv + argc;
  char** const found = std::find_if(
      argv, end, [&](std::string_view argument) { return argument.starts_with(start); });
  if (found == end) return otherwise;
  const std::string value = std::string(*found).substr(start.size());
  std::copy(found + 1, end, found);
  --argc;
  return value;
}

}  // namespace

void take_flags(int& argc, char** argv) {
  set_up_process();
  chosen_device = c10::Device(take("device", "cpu", argc, argv));
  nets::set_precision(nets::parse_precision(take("precision", "auto", argc, argv), chosen_device));
  nets::set_cuda_graphs(take("cuda_graphs", "on", argc, argv) == "on");
}

c10::Device device() {
  return chosen_device;
}

void wait_for_device() {
  if (chosen_device.is_cuda()) torch::cuda::synchronize();
}

}  // namespace equipoise::benchmarks
