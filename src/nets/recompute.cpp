#include "nets/recompute.h"

#include <utility>

#include "core/libtorch.h"

namespace equipoise::nets {
namespace {

using torch::autograd::AutogradContext;

/// What the graph's node keeps of a function.
struct Kept : torch::CustomClassHolder {
  explicit Kept(RecomputedFunction f) : function(std::move(f)) {}
  RecomputedFunction function;
};

struct Recomputed : torch::autograd::Function<Recomputed> {
  /// `tensors` are the inputs, then the parameters.
  static at::Tensor forward(AutogradContext* context, const RecomputedFunction& f,
                            at::TensorList tensors, int64_t num_inputs) {
    context->save_for_backward(tensors.vec());
    context->saved_data["function"] = c10::IValue::make_capsule(c10::make_intrusive<Kept>(f));
    context->saved_data["num_inputs"] = num_inputs;
    return f(Tensors(tensors.begin(), tensors.begin() + num_inputs));
  }

  static Tensors backward(AutogradContext* context, const Tensors& gradients) {
    const Tensors saved = context->get_saved_variables();
    const auto kept = context->saved_data["function"].toCapsule();
    const int64_t num_inputs = context->saved_data["num_inputs"].toInt();
    Tensors inputs, wanted;
    std::vector<size_t> places;
    for (size_t i = 0; i < saved.size(); ++i) {
      at::Tensor leaf = saved[i];
      if (static_cast<int64_t>(i) < num_inputs) {
        leaf = saved[i].detach().requires_grad_(saved[i].requires_grad());
        inputs.push_back(leaf);
      }
      if (!leaf.requires_grad()) continue;
      wanted.push_back(leaf);
      places.push_back(i);
    }
    const at::AutoGradMode with_graph(true);
    const at::Tensor value = static_cast<const Kept&>(*kept).function(inputs);
    const Tensors found =
        torch::autograd::grad({value}, wanted, {gradients[0]}, /*retain_graph=*/false,
                              /*create_graph=*/false, /*allow_unused=*/true);
    Tensors all(saved.size() + 2);  // the function and the number of inputs have none
    for (size_t k = 0; k < places.size(); ++k) all[1 + places[k]] = found[k];
    return all;
  }
};

}  // namespace

at::Tensor recomputed(const RecomputedFunction& f, const Tensors& inputs,
                      const Tensors& parameters) {
  if (!at::GradMode::is_enabled()) return f(inputs);
  Tensors tensors = inputs;
  tensors.insert(tensors.end(), parameters.begin(), parameters.end());
  return Recomputed::apply(f, at::TensorList(tensors), static_cast<int64_t>(inputs.size()));
}

}  // namespace equipoise::nets
