#include "train/mixout.h"

#include <cmath>

#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"
#include "core/libtorch.h"

namespace equipoise::train {
namespace {

/// Streams of masks are those of a seed of their own: the network's dropout uses the run's.
constexpr uint32_t kMaskPart = 1;

/// d w~ / dw but for the mask.
double gradient_scale(const MixoutConfig& config) {
  if (config.probability == 1) return 0;
  return config.gradient == "reference" ? 1 : 1 / (1 - config.probability);
}

/// w~ without a graph.
at::Tensor mixed_values(const at::Tensor& weight, const at::Tensor& pretrained,
                        const at::Tensor& mask, double p) {
  if (p == 1) return pretrained;
  return weight + (mask / (1 - p) - 1) * (weight - pretrained);
}

class Mix : public torch::autograd::Function<Mix> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& weight,
                            const at::Tensor& pretrained, const at::Tensor& mask, double p,
                            double scale) {
    context->saved_data["mask"] = mask;
    context->saved_data["scale"] = scale;
    return mixed_values(weight, pretrained, mask, p).clone();
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const at::Tensor mask = context->saved_data["mask"].toTensor();
    const at::Tensor gradient = gradients[0] * mask * context->saved_data["scale"].toDouble();
    return {gradient, {}, {}, {}, {}};
  }
};

/// A scalar whose gradient in some parameters was worked out elsewhere.
class KnownGradient : public torch::autograd::Function<KnownGradient> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& value,
                            const std::vector<at::Tensor>& gradients,
                            const at::TensorList& /*parameters*/) {
    context->saved_data["gradients"] = gradients;
    return value.clone();
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list outer) {
    torch::autograd::variable_list result(2);
    for (const at::Tensor& gradient : context->saved_data["gradients"].toTensorVector())
      result.push_back(gradient * outer[0]);
    return result;
  }
};

void check_pretrained(const std::vector<at::Tensor>& weights,
                      const std::vector<at::Tensor>& pretrained, const std::string& where) {
  bool fits = weights.size() == pretrained.size();
  for (size_t k = 0; fits && k < weights.size(); ++k)
    fits = weights[k].sizes() == pretrained[k].sizes();
  if (!fits)
    throw UsageError({.where = where,
                      .what = "the pretrained weights are not those of this network",
                      .got = fmt::format("{} tensors", pretrained.size()),
                      .expected = fmt::format("{} of the same shapes", weights.size()),
                      .hint = ""});
}

bool is_mixed(const at::Tensor& weight) {
  return weight.dim() >= 2;
}

}  // namespace

at::Tensor keep_mask(const at::Tensor& weight, const MixoutConfig& config, RandomStream stream) {
  std::vector<int64_t> shape = weight.sizes().vec();
  if (config.unit == "neuron" && weight.dim() >= 2)
    for (size_t axis = 0; axis < shape.size(); ++axis)
      if (axis != 1) shape[axis] = 1;
  at::Tensor uniform = at::empty(shape, at::kFloat);
  stream.fill_uniform(uniform.data_ptr<float>(), uniform.numel());
  return uniform.ge(config.probability).to(weight.options().requires_grad(false));
}

at::Tensor mix(const at::Tensor& weight, const at::Tensor& pretrained, const at::Tensor& mask,
               const MixoutConfig& config) {
  check_range(config.probability, 0, 1, "mixout probability");
  const at::Tensor target = pretrained.defined() ? pretrained : at::zeros_like(weight);
  check_pretrained({weight}, {target}, "mixout");
  return Mix::apply(weight, target, mask, config.probability, gradient_scale(config));
}

MixoutTask::MixoutTask(Parts parts) : parts_(std::move(parts)) {
  check_range(parts_.config.probability, 0, 1, "mixout probability");
  check_pretrained(parts_.parameters, parts_.pretrained, "mixout");
  for (const Replica& replica : parts_.replicas) {
    check_pretrained(parts_.parameters, replica.parameters, "mixout replica");
    free_.push_back(&replica);
  }
  EQUIPOISE_ASSERT(!free_.empty());
  parts_.seed = RandomStream(parts_.seed, Purpose::kDropout, 0, kMaskPart).next64();
}

const MixoutTask::Replica& MixoutTask::borrow() const {
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [&] { return !free_.empty(); });
  const Replica& replica = *free_.back();
  free_.pop_back();
  return replica;
}

void MixoutTask::give_back(const Replica& replica) const {
  {
    const std::lock_guard lock(mutex_);
    free_.push_back(&replica);
  }
  freed_.notify_one();
}

at::Tensor MixoutTask::loss_sum(int64_t first, int64_t count) const {
  const Replica& replica = borrow();
  struct Return {
    const MixoutTask& task;
    const Replica& replica;
    ~Return() { task.give_back(replica); }
  } const returned{*this, replica};
  std::vector<at::Tensor> masks(parts_.parameters.size());
  {
    const torch::NoGradGuard no_grad;
    for (size_t k = 0; k < masks.size(); ++k) {
      const at::Tensor& weight = parts_.parameters[k];
      if (!is_mixed(weight)) {
        replica.parameters[k].copy_(weight);
        continue;
      }
      masks[k] = keep_mask(weight, parts_.config,
                           RandomStream(parts_.seed, Purpose::kDropout,
                                        static_cast<uint64_t>(first), static_cast<uint32_t>(k)));
      replica.parameters[k].copy_(
          mixed_values(weight, parts_.pretrained[k], masks[k], parts_.config.probability));
    }
  }
  const at::Tensor loss = replica.task->loss_sum(first, count);
  std::vector<at::Tensor> gradients =
      torch::autograd::grad({loss}, replica.parameters, {}, /*retain_graph=*/c10::nullopt,
                            /*create_graph=*/false, /*allow_unused=*/true);
  const double scale = gradient_scale(parts_.config);
  for (size_t k = 0; k < gradients.size(); ++k) {
    if (!gradients[k].defined())
      gradients[k] = at::zeros_like(parts_.parameters[k]);
    else if (masks[k].defined())
      gradients[k] = gradients[k] * masks[k] * scale;
  }
  return KnownGradient::apply(loss.detach(), gradients, at::TensorList(parts_.parameters));
}

PulledTask::PulledTask(std::shared_ptr<const TrainingTask> base, double strength,
                       std::vector<at::Tensor> parameters, std::vector<at::Tensor> pretrained)
    : base_(std::move(base)),
      strength_(strength),
      parameters_(std::move(parameters)),
      pretrained_(std::move(pretrained)) {
  check_pretrained(parameters_, pretrained_, "pull");
}

at::Tensor PulledTask::loss_sum(int64_t first, int64_t count) const {
  at::Tensor loss = base_->loss_sum(first, count);
  for (size_t k = 0; k < parameters_.size(); ++k)
    loss = loss + (parameters_[k] - pretrained_[k]).square().sum() *
                      (strength_ / 2 * static_cast<double>(count));
  return loss;
}

double distance(const std::vector<at::Tensor>& weights, const std::vector<at::Tensor>& pretrained) {
  check_pretrained(weights, pretrained, "distance");
  const torch::NoGradGuard no_grad;
  double square = 0;
  for (size_t k = 0; k < weights.size(); ++k)
    square += (weights[k] - pretrained[k]).to(at::kDouble).square().sum().item<double>();
  return std::sqrt(square);
}

}  // namespace equipoise::train
