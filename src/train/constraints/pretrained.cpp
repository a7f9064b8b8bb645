#include "train/constraints/pretrained.h"

#include "core/config.h"
#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"
#include "diffusion/model_file.h"
#include "diffusion/per_item.h"

namespace equipoise::train {
namespace {

constexpr int64_t kHeldoutDraws = 64;

}  // namespace

PretrainedConstraint::PretrainedConstraint(Parts parts, const ConstraintContext& context)
    : parts_(std::move(parts)),
      noise_(context.noise),
      sigma_data_(context.sigma_data),
      label_dim_(context.label_dim),
      seed_(context.seed),
      device_(context.device) {}

at::Tensor PretrainedConstraint::losses_of(const diffusion::Denoiser& denoiser,
                                           const at::Tensor& numbers, uint64_t seed) const {
  const at::Tensor sigma =
      denoiser.round_sigma(noise_.draw(seed, numbers).to(device_)).to(at::kFloat);
  const at::Tensor noise =
      random_normal(seed, Purpose::kNoise, numbers, parts_.item_shape).to(device_);
  const at::Tensor scale = (sigma.square() + sigma_data_ * sigma_data_).sqrt();
  const at::Tensor x = diffusion::per_item(scale, noise) * noise;
  diffusion::Conditions conditions;
  if (label_dim_ > 0)
    conditions.class_labels =
        at::one_hot(numbers.remainder(label_dim_), label_dim_).to(device_, at::kFloat);
  at::Tensor target;
  {
    const torch::NoGradGuard no_grad;
    target = parts_.frozen->denoise(x, sigma, conditions);
  }
  const at::Tensor distance = (denoiser.denoise(x, sigma, conditions) - target).square();
  return distance.flatten(1).mean(1) * noise_.loss_weight(sigma, sigma_data_);
}

at::Tensor PretrainedConstraint::losses(const diffusion::Denoiser& denoiser, int64_t first,
                                        int64_t count) const {
  return losses_of(denoiser, at::arange(first, first + count), seed_);
}

double PretrainedConstraint::heldout_loss(const diffusion::Denoiser& denoiser) const {
  const torch::NoGradGuard no_grad;
  const uint64_t seed = RandomStream(seed_, Purpose::kEvaluation).next64();
  return losses_of(denoiser, at::arange(kHeldoutDraws), seed).mean().item<double>();
}

namespace {

struct PretrainedOptions {
  std::string model;

  void fields(FieldVisitor& f) {
    f("model", model, "", "the frozen model's file; empty = the model that training starts from");
  }
};

std::unique_ptr<Constraint> make_pretrained(const PretrainedOptions& options,
                                            const ConstraintContext& context) {
  const std::filesystem::path path =
      options.model.empty() ? context.start : std::filesystem::path(options.model);
  if (path.empty())
    throw UsageError({.where = "constraint pretrained",
                      .what = "there is no model to stay close to",
                      .got = "",
                      .expected = "the option 'model', or a method with 'start'",
                      .hint = ""});
  const diffusion::LoadedModel model = diffusion::load_model(path);
  const at::IntArrayRef item = context.set->images.sizes().slice(1);
  diffusion::check_fits(model.config.shape,
                        {.resolution = item.size() == 1 ? 0 : item.back(),
                         .channels = item.front(),
                         .label_dim = context.label_dim},
                        path.string());
  model.denoiser->to(context.device);
  model.denoiser->eval();
  for (at::Tensor parameter : model.denoiser->parameters()) parameter.set_requires_grad(false);
  return std::make_unique<PretrainedConstraint>(
      PretrainedConstraint::Parts{.frozen = model.denoiser, .item_shape = item.vec()}, context);
}

const bool kRegistered = register_constraint<PretrainedOptions>(
    {.name = "pretrained",
     .summary = "The prediction stays close to that of a frozen model.",
     .source = "Khalafi, Ding and Ribeiro 2024 (NeurIPS), fine-tuning",
     .use_when = "a model is tuned on new images and must not forget the old ones"},
    make_pretrained);

}  // namespace
}  // namespace equipoise::train
