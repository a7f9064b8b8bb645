// Denoising score matching for conditional models whose training labels are partly wrong: what the
// network says of every class is averaged as the shown label would have it, and the average is held
// against the image.
//
//   L = E_sigma,x0,n [ lambda(sigma) |sum_c w(x, j, c, sigma) D(x; sigma, c) - x0|^2 ]
//
//                             j = the label shown, x = x0 + sigma n
//
// w = P(true class c | shown label j, x) (diffusion/label_weights.h), constants to the denoiser's
// parameters. Where the transition matrix can be undone, the minimiser is E[x0 | x, true c] for
// every class c, though no item says which its class is.
//
// By default only D(x; sigma, j) has a gradient. That is no longer the gradient of L, but vanishes
// at the same place, because w(x, ·, ·, sigma) can be inverted there. The steps lead there under
// symmetric noise below the rate (K - 1) / K, and under any noise of a rate below 1/2; beyond, use
// gradient = "all", at the cost of a gradient a class.
#include <utility>

#include "core/check.h"
#include "core/config.h"
#include "core/error.h"
#include "diffusion/per_item.h"
#include "objectives/objective.h"
#include "objectives/weighted_loss.h"

namespace equipoise::objectives {
namespace {

struct TdsmOptions {
  double skip_below = 0.01;
  bool renormalise = true;
  std::string gradient = "own";
  double temperature = 1;

  void fields(FieldVisitor& f) {
    f("skip_below", skip_below, "",
      "classes of at most this weight are left out, for speed; the shown one never is", {0, 1});
    f("renormalise", renormalise, "",
      "let the weights that are left sum to 1; without, many classes of small weight are lost and "
      "the denoiser grows to make up for them");
    f.choice("gradient", gradient, {"own", "all"},
             "learn from the shown label's prediction alone, or from every class's (none is then "
             "left out)");
    f("temperature", temperature, "",
      "of the label model's softmax: above 1 images count for less, below 1 for more", {0.01, 100});
  }
};

/// How much of each item's prediction comes from which class.
struct Shares {
  at::Tensor own;     ///< [B] of the label shown; 1 where there is none
  at::Tensor others;  ///< [B,K] of the other classes, 0 where left out
};

/// A batch's items that a class other than the shown one has a part in.
struct ExtraCalls {
  at::Tensor items;    ///< [n] int64
  at::Tensor classes;  ///< [n] int64
  at::Tensor shares;   ///< [n]
};

class Tdsm : public Objective {
 public:
  Tdsm(ObjectiveNeeds needs, TdsmOptions options,
       std::shared_ptr<const diffusion::LabelWeights> weights)
      : needs_(needs), options_(std::move(options)), weights_(std::move(weights)) {}

  diffusion::TrainingSet training_set() const override { return diffusion::TrainingSet::kBiased; }
  ObjectiveNeeds needs() const override { return needs_; }

  at::Tensor loss(const diffusion::Denoiser& denoiser, const diffusion::NoisyBatch& batch,
                  const diffusion::Conditions& conditions) const override {
    check_labels(conditions, batch.clean.size(0));
    const Shares shares = class_shares(batch, conditions.class_labels);
    const at::Tensor own = denoiser.denoise(batch.noisy, batch.sigma, conditions);
    at::Tensor mixture = diffusion::per_item(shares.own, own) * own;
    mixture = add_others(std::move(mixture), shares.others, denoiser, batch, conditions);
    return squared_loss(mixture, batch, batch.clean);
  }

 private:
  bool use_all_gradients() const { return options_.gradient == "all"; }

  void check_labels(const diffusion::Conditions& conditions, int64_t batch_size) const {
    if (!conditions.class_labels.defined())
      throw UsageError({.where = "objective tdsm",
                        .what = "it corrects labels, and the model is given none",
                        .got = "no labels",
                        .expected = "a conditional model",
                        .hint = "Set model.conditional = true"});
    check_shape(conditions.class_labels, {batch_size, weights_->num_classes()}, "class labels");
  }

  /// Rows of zeros are images without a label (label dropout): nothing is to be corrected there.
  Shares class_shares(const diffusion::NoisyBatch& batch, const at::Tensor& labels) const {
    const at::NoGradGuard no_grad;
    const at::Tensor has_label = labels.gt(0).any(1);
    const at::Tensor weights =
        weights_->weights(batch.noisy, batch.sigma, labels.argmax(1)).to(batch.clean.options());
    at::Tensor own = (weights * labels).sum(1);
    at::Tensor others = weights * (1 - labels);
    if (!use_all_gradients()) {
      const at::Tensor kept = others * others.gt(options_.skip_below);
      const at::Tensor is_any_left = (own + kept.sum(1)).gt(0).unsqueeze(1);
      others = at::where(is_any_left, kept, others);
      if (options_.renormalise) {
        const at::Tensor left = own + others.sum(1);
        own = own / left;
        others = others / left.unsqueeze(1);
      }
    }
    return {at::where(has_label, own, at::ones_like(own)), others * has_label.unsqueeze(1)};
  }

  /// As many rows a call as the batch has: what the network was told to take at once.
  at::Tensor add_others(at::Tensor mixture, const at::Tensor& others,
                        const diffusion::Denoiser& denoiser, const diffusion::NoisyBatch& batch,
                        const diffusion::Conditions& conditions) const {
    const at::Tensor pairs = others.nonzero();
    const int64_t batch_size = batch.clean.size(0);
    for (int64_t start = 0; start < pairs.size(0); start += batch_size) {
      const at::Tensor rows = pairs.slice(0, start, start + batch_size);
      const ExtraCalls calls{.items = rows.select(1, 0),
                             .classes = rows.select(1, 1),
                             .shares = others.index({rows.select(1, 0), rows.select(1, 1)})};
      const at::Tensor denoised = denoise_as(calls, denoiser, batch, conditions);
      mixture =
          mixture.index_add(0, calls.items, diffusion::per_item(calls.shares, denoised) * denoised);
    }
    return mixture;
  }

  /// D(x_i; sigma_i, class): with the item's own dropout where it is learnt from, without any where
  /// it is a constant.
  at::Tensor denoise_as(const ExtraCalls& calls, const diffusion::Denoiser& denoiser,
                        const diffusion::NoisyBatch& batch,
                        const diffusion::Conditions& conditions) const {
    const at::AutoGradMode use_gradient(use_all_gradients() && at::GradMode::is_enabled());
    nets::ForwardRandomness randomness;
    diffusion::Conditions seen{.class_labels = at::one_hot(calls.classes, weights_->num_classes())
                                                   .to(conditions.class_labels.options())};
    if (conditions.augment_labels.defined())
      seen.augment_labels = conditions.augment_labels.index_select(0, calls.items);
    if (use_all_gradients() && conditions.randomness != nullptr) {
      randomness = {.seed = conditions.randomness->seed,
                    .image_numbers = conditions.randomness->image_numbers.index_select(
                        0, calls.items.to(at::kCPU))};
      seen.randomness = &randomness;
    }
    return denoiser.denoise(batch.noisy.index_select(0, calls.items),
                            batch.sigma.index_select(0, calls.items), seen);
  }

  ObjectiveNeeds needs_;
  TdsmOptions options_;
  std::shared_ptr<const diffusion::LabelWeights> weights_;
};

template <class Weights>
ObjectivePlugin plugin(LabelNeed labels, const char* title, const char* weight) {
  const ObjectiveNeeds needs{.labels = labels};
  return {
      .needs = needs,
      .training_set = diffusion::TrainingSet::kBiased,
      .make =
          [needs](const nlohmann::json& json, const ObjectiveInputs& inputs) {
            TdsmOptions options;
            from_json(json, options, "objective.options");
            diffusion::LabelModel labels = inputs.labels;
            labels.temperature = options.temperature;
            return std::make_unique<Tdsm>(needs, std::move(options),
                                          std::make_shared<Weights>(std::move(labels)));
          },
      .options_help = [] { return help_text(TdsmOptions{}); },
      .title = title,
      .formula =
          std::string("E[ λ(σ) ‖Σ_c w_c D(x; σ, c) − x₀‖² ],  w_c = P(true c | ").append(weight)};
}

const bool kTdsmRegistered = ObjectiveRegistry::instance().add(
    {.name = "tdsm",
     .summary = "Averages the predictions of all classes as the shown label and the noisy image "
                "have it, so that each class is learnt though labels are wrong.",
     .source = "Na et al. 2024 (ICLR, Label-Noise Robust Diffusion Models)",
     .use_when = "for conditional models whose labels are wrong in a known or estimable way; "
                 "dsm_bias where they are right"},
    plugin<diffusion::PosteriorLabelWeights>(LabelNeed::kPosterior, "TDSM", "label shown, x, σ)"));

const bool kStaticRegistered = ObjectiveRegistry::instance().add(
    {.name = "s_dsm",
     .summary = "tdsm with weights that look at the label alone: its optimum is not the classes' "
                "laws.",
     .source = "Na et al. 2024 (ICLR, Label-Noise Robust Diffusion Models), ablation",
     .use_when = "to show what looking at the image does; prefer tdsm"},
    plugin<diffusion::StaticLabelWeights>(LabelNeed::kTransition, "S-DSM", "label shown)"));

}  // namespace
}  // namespace equipoise::objectives
