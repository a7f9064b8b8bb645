// A denoiser network's calls on a CUDA device, replayed as CUDA graphs.
#pragma once

#include <memory>

#include "nets/network.h"

namespace equipoise::nets {

/// network.forward(…), with the same result from the same kernels. From the third call with the
/// same shapes on, on a CUDA device, they are captured once and launched as one: one by one, the
/// launches of a network of few channels take several times as long as the kernels run. Training
/// calls (autograd on, weights that need gradients) are captured with their backward pass.
///
/// Called as they are: inputs that need gradients themselves, other devices, programs built without
/// CUDA, and everything after set_cuda_graphs(false).
///
/// Threads: may be called from several at once; graphs are launched one after another.
class NetworkGraphs {
 public:
  explicit NetworkGraphs(std::shared_ptr<DenoiserNetwork> network);
  ~NetworkGraphs();

  at::Tensor forward(const at::Tensor& x, const at::Tensor& noise_labels,
                     const Conditions& conditions);

 private:
  class Captures;
  std::shared_ptr<DenoiserNetwork> network_;
  std::unique_ptr<Captures> captures_;
};

/// For the whole process; on until turned off. Call while no network computes.
void set_cuda_graphs(bool use_them);

}  // namespace equipoise::nets
