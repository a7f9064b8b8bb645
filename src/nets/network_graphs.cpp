#include "nets/network_graphs.h"

#include <atomic>

#ifdef EQUIPOISE_CUDA
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <fmt/ranges.h>

#include "core/libtorch.h"
#include "nets/precision.h"
#endif

namespace equipoise::nets {
namespace {

std::atomic<bool> is_on = true;

}  // namespace

void set_cuda_graphs(bool use_them) {
  is_on = use_them;
}

#ifdef EQUIPOISE_CUDA

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int kPlainCalls = 2, kWarmUps = 3;
constexpr size_t kMostShapes = 16, kMostCopies = 4;

/// Everything a call reads.
struct Call {
  at::Tensor x, noise_labels, class_labels, augment_labels, image_numbers;
  uint64_t seed = 0;

  Call(const at::Tensor& x, const at::Tensor& noise_labels, const Conditions& conditions)
      : x(x),
        noise_labels(noise_labels),
        class_labels(on_device(conditions.class_labels)),
        augment_labels(on_device(conditions.augment_labels)) {
    if (conditions.randomness == nullptr) return;
    seed = conditions.randomness->seed;
    image_numbers = on_device(conditions.randomness->image_numbers);
  }

  std::vector<at::Tensor*> tensors() {
    return {&x, &noise_labels, &class_labels, &augment_labels, &image_numbers};
  }
  std::vector<const at::Tensor*> tensors() const {
    return {&x, &noise_labels, &class_labels, &augment_labels, &image_numbers};
  }
  /// In memory of its own.
  Call copy() const {
    Call copied = *this;
    for (at::Tensor* tensor : copied.tensors())
      if (tensor->defined()) *tensor = tensor->detach().clone();
    return copied;
  }
  void copy_from(const Call& other) {
    const auto from = other.tensors();
    const auto to = tensors();
    for (size_t i = 0; i < to.size(); ++i)
      if (to[i]->defined()) to[i]->copy_(*from[i]);
  }
  bool needs_gradients() const {
    for (const at::Tensor* tensor : tensors())
      if (tensor->defined() && tensor->requires_grad()) return true;
    return false;
  }

 private:
  at::Tensor on_device(const at::Tensor& tensor) const {
    return tensor.defined() ? tensor.to(x.device()) : tensor;
  }
};

at::Tensor call_network(DenoiserNetwork& network, const Call& call) {
  const ForwardRandomness randomness{.seed = call.seed, .image_numbers = call.image_numbers};
  return network.forward(call.x, call.noise_labels,
                         {.class_labels = call.class_labels,
                          .augment_labels = call.augment_labels,
                          .randomness = call.image_numbers.defined() ? &randomness : nullptr});
}

/// Autograd's nodes where gradients of parameters arrive remember the stream they were made on, and a
/// capture may not touch another. While one of these lives the parameters get nodes of their own.
class FreshGradientNodes {
 public:
  explicit FreshGradientNodes(const std::vector<at::Tensor>& parameters) : parameters_(parameters) {
    for (const at::Tensor& parameter : parameters_) {
      nodes_.push_back(torch::autograd::impl::try_get_grad_accumulator(parameter));
      torch::autograd::impl::set_grad_accumulator(parameter, {});
    }
  }
  ~FreshGradientNodes() {
    for (size_t i = 0; i < nodes_.size(); ++i)
      torch::autograd::impl::set_grad_accumulator(parameters_[i], nodes_[i]);
  }
  FreshGradientNodes(const FreshGradientNodes&) = delete;
  FreshGradientNodes& operator=(const FreshGradientNodes&) = delete;

 private:
  const std::vector<at::Tensor>& parameters_;
  std::vector<std::shared_ptr<torch::autograd::Node>> nodes_;
};

/// One captured call. Its memory is read and written by every replay.
struct Capture {
  Capture(DenoiserNetwork& network, const Call& example, const std::vector<at::Tensor>& trainable)
      : inputs(example.copy()) {
    const c10::cuda::CUDAGuard device(example.x.device());
    c10::cuda::getCurrentCUDAStream().synchronize();
    const c10::cuda::CUDAStream stream = c10::cuda::getStreamFromPool();
    const c10::cuda::CUDAStreamGuard guard(stream);
    const FreshGradientNodes nodes(trainable);
    // Libraries choose algorithms and take workspaces at first calls, which a capture may not hold.
    for (int i = 0; i < kWarmUps; ++i) {
      const at::Tensor result = call_network(network, inputs);
      if (i == 0) grad_output = at::zeros_like(result);
      if (!trainable.empty()) gradient_of(result, trainable);
    }
    stream.synchronize();
    forward.capture_begin();
    const at::Tensor result = call_network(network, inputs);
    forward.capture_end();
    output = result.detach();
    if (trainable.empty()) return;
    backward.capture_begin(forward.pool());
    gradient = gradient_of(result, trainable);
    backward.capture_end();
  }

  /// That of all trainable parameters one after another, zeros for those the network did not use.
  at::Tensor gradient_of(const at::Tensor& result, const std::vector<at::Tensor>& trainable) const {
    variable_list parts = torch::autograd::grad({result}, trainable, {grad_output},
                                                /*retain_graph=*/false, /*create_graph=*/false,
                                                /*allow_unused=*/true);
    for (size_t i = 0; i < parts.size(); ++i)
      parts[i] =
          parts[i].defined() ? parts[i].reshape({-1}) : at::zeros_like(trainable[i]).view({-1});
    return at::cat(parts);
  }

  Call inputs;
  at::Tensor output, grad_output, gradient;
  at::cuda::CUDAGraph forward, backward;
  std::atomic<bool> is_in_use = false;  ///< a backward pass may still come
};

/// Keeps a capture from being replayed again before its backward pass.
struct Lease : torch::CustomClassHolder {
  explicit Lease(std::shared_ptr<Capture> leased) : capture(std::move(leased)) {
    capture->is_in_use = true;
  }
  ~Lease() override { capture->is_in_use = false; }
  std::shared_ptr<Capture> capture;
};

struct Replay : torch::autograd::Function<Replay> {
  static at::Tensor forward(AutogradContext* context, const c10::intrusive_ptr<Lease>& lease,
                            const Call& call, at::TensorList trainable) {
    std::vector<int64_t> sizes;
    for (const at::Tensor& parameter : trainable) sizes.push_back(parameter.numel());
    context->save_for_backward(trainable.vec());
    context->saved_data["lease"] = c10::IValue::make_capsule(lease);
    lease->capture->inputs.copy_from(call);
    lease->capture->forward.replay();
    return lease->capture->output.clone();
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto holder = context->saved_data["lease"].toCapsule();
    Capture& capture = *static_cast<const Lease&>(*holder).capture;
    capture.grad_output.copy_(gradients[0]);
    capture.backward.replay();
    const at::Tensor all = capture.gradient.clone();
    variable_list result(2);  // lease and call have none
    int64_t begin = 0;
    for (const at::Tensor& parameter : context->get_saved_variables()) {
      result.push_back(all.narrow(0, begin, parameter.numel()).view(parameter.sizes()));
      begin += parameter.numel();
    }
    return result;
  }
};

}  // namespace

/// The captures of one network, by what a call must share with them.
class NetworkGraphs::Captures {
 public:
  explicit Captures(const DenoiserNetwork& network) : parameters_(network.parameters()) {}

  at::Tensor forward(DenoiserNetwork& network, const Call& call) {
    std::vector<at::Tensor> trainable;
    if (at::GradMode::is_enabled())
      for (const at::Tensor& parameter : parameters_)
        if (parameter.requires_grad()) trainable.push_back(parameter);
    const std::lock_guard lock(mutex_);
    const std::shared_ptr<Capture> capture = find(network, call, trainable);
    if (capture == nullptr) return call_network(network, call);
    if (!trainable.empty())
      return Replay::apply(c10::make_intrusive<Lease>(capture), call, at::TensorList(trainable));
    capture->inputs.copy_from(call);
    capture->forward.replay();
    return capture->output.clone();
  }

 private:
  struct Shape {
    int num_calls = 0;
    std::vector<std::shared_ptr<Capture>> copies;
  };

  /// A capture that may be replayed now; null while the shape is new or too many are in use.
  std::shared_ptr<Capture> find(DenoiserNetwork& network, const Call& call,
                                const std::vector<at::Tensor>& trainable) {
    const std::string key = key_of(call, trainable);
    if (shapes_.size() >= kMostShapes && !shapes_.contains(key)) return nullptr;
    Shape& shape = shapes_[key];
    if (++shape.num_calls <= kPlainCalls) return nullptr;
    for (const auto& copy : shape.copies)
      if (!copy->is_in_use) return copy;
    if (shape.copies.size() >= kMostCopies) return nullptr;
    return shape.copies.emplace_back(std::make_shared<Capture>(network, call, trainable));
  }

  std::string key_of(const Call& call, const std::vector<at::Tensor>& trainable) const {
    std::string key = fmt::format("{} {} {}", to_string(precision()), trainable.size(), call.seed);
    for (const at::Tensor* tensor : call.tensors())
      key += tensor->defined() ? fmt::format(" {}{}", toString(tensor->scalar_type()),
                                             fmt::join(tensor->sizes(), ","))
                               : " -";
    // A graph holds the addresses of the weights it was captured with.
    size_t addresses = 0;
    for (const at::Tensor& parameter : parameters_)
      addresses = addresses * 31 + std::hash<const void*>()(parameter.data_ptr());
    return fmt::format("{} {}", key, addresses);
  }

  const std::vector<at::Tensor> parameters_;
  std::mutex mutex_;
  std::map<std::string, Shape> shapes_;
};

NetworkGraphs::NetworkGraphs(std::shared_ptr<DenoiserNetwork> network)
    : network_(std::move(network)), captures_(std::make_unique<Captures>(*network_)) {}

at::Tensor NetworkGraphs::forward(const at::Tensor& x, const at::Tensor& noise_labels,
                                  const Conditions& conditions) {
  if (!x.is_cuda() || !is_on) return network_->forward(x, noise_labels, conditions);
  const Call call(x, noise_labels, conditions);
  if (at::GradMode::is_enabled() && call.needs_gradients()) return call_network(*network_, call);
  return captures_->forward(*network_, call);
}

#else

class NetworkGraphs::Captures {};

NetworkGraphs::NetworkGraphs(std::shared_ptr<DenoiserNetwork> network)
    : network_(std::move(network)) {}

at::Tensor NetworkGraphs::forward(const at::Tensor& x, const at::Tensor& noise_labels,
                                  const Conditions& conditions) {
  return network_->forward(x, noise_labels, conditions);
}

#endif

NetworkGraphs::~NetworkGraphs() = default;

}  // namespace equipoise::nets
