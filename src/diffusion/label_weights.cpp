#include "diffusion/label_weights.h"

#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"
#include "data/label_noise.h"

namespace equipoise::diffusion {
namespace {

constexpr const char* kWhere = "label weights";

/// S[c][shown_i] as row i: [B,K].
at::Tensor columns_of(const at::Tensor& transition, const at::Tensor& shown,
                      const at::TensorOptions& options) {
  return transition.t().to(options).index_select(0, shown);
}

at::Tensor one_hot(const at::Tensor& shown, const at::Tensor& like) {
  return at::one_hot(shown, like.size(1)).to(like.options());
}

at::Tensor believe_where(const at::Tensor& is_undecided, const at::Tensor& weights,
                         const at::Tensor& shown) {
  return at::where(is_undecided.unsqueeze(1), one_hot(shown, weights), weights);
}

void check_model(const LabelModel& model) {
  const int64_t num_classes = model.transition.defined() ? model.transition.size(0) : 0;
  if (num_classes < 2)
    throw UsageError({.where = kWhere,
                      .what = "how labels go wrong is not known",
                      .got = "no transition matrix",
                      .expected = "one of at least two classes",
                      .hint = ""});
  data::check_transition(model.transition, num_classes, kWhere);
}

}  // namespace

at::Tensor bayes_weights(const at::Tensor& log_posterior, const at::Tensor& transition,
                         const at::Tensor& shown) {
  check_finite(log_posterior.exp(), "label posterior");
  const at::Tensor log_joint =
      log_posterior + columns_of(transition, shown, log_posterior.options()).log();
  const at::Tensor nothing_is_probable = log_joint.eq(-INFINITY).all(1);
  return believe_where(nothing_is_probable, log_joint.softmax(1), shown);
}

at::Tensor matrix_weights(const at::Tensor& log_posterior, const at::Tensor& transition,
                          const at::Tensor& inverse_transpose, const at::Tensor& shown) {
  const at::Tensor posterior = log_posterior.to(at::kDouble).exp();
  check_finite(posterior, "label posterior");
  const at::Tensor true_posterior = posterior.matmul(inverse_transpose.to(posterior.options()).t());
  return columns_of(transition, shown, posterior.options()) * true_posterior /
         posterior.gather(1, shown.unsqueeze(1));
}

at::Tensor clamped_weights(const at::Tensor& weights, const at::Tensor& shown) {
  const at::Tensor clamped = at::nan_to_num(weights, /*nan=*/0).clamp(0, 1);
  const at::Tensor sum = clamped.sum(1);
  return believe_where(sum.eq(0), clamped / sum.unsqueeze(1), shown);
}

at::Tensor reversed_transition(const at::Tensor& transition, const at::Tensor& prior) {
  const at::Tensor joint =
      (prior.defined() ? transition * prior.to(transition.options()).unsqueeze(1) : transition).t();
  const at::Tensor sum = joint.sum(1);
  const at::Tensor labels = at::arange(transition.size(0), at::kLong);
  return believe_where(sum.eq(0), joint / sum.unsqueeze(1), labels);
}

at::Tensor class_shares(const at::Tensor& shown_shares, const at::Tensor& transition) {
  const at::Tensor shares =
      at::linalg_solve(transition.t(), shown_shares.to(transition.options())).clamp_min(0);
  return shares / shares.sum();
}

PosteriorLabelWeights::PosteriorLabelWeights(LabelModel model) : model_(std::move(model)) {
  check_model(model_);
  data::check_invertible(model_.transition, kWhere);
  if (model_.posterior == nullptr)
    throw UsageError({.where = kWhere,
                      .what = "no classifier of noisy images to judge labels by",
                      .got = "none",
                      .expected = "a posterior of labels",
                      .hint = ""});
  if (model_.posterior->num_labels() != num_classes())
    throw UsageError({.where = kWhere,
                      .what = "classifier and transition matrix are of other classes",
                      .got = fmt::format("{} labels", model_.posterior->num_labels()),
                      .expected = fmt::format("{}", num_classes()),
                      .hint = ""});
  inverse_transpose_ = at::linalg_inv(model_.transition).t().contiguous();
}

at::Tensor PosteriorLabelWeights::unclamped(const at::Tensor& x, const at::Tensor& sigma,
                                            const at::Tensor& shown) const {
  const at::NoGradGuard no_grad;
  const at::Tensor log_posterior =
      at::log_softmax(model_.posterior->log_posterior(x, sigma) / model_.temperature, 1);
  if (model_.posterior_of == PosteriorOf::kTrueClass)
    return bayes_weights(log_posterior, model_.transition, shown);
  return matrix_weights(log_posterior, model_.transition, inverse_transpose_, shown);
}

at::Tensor PosteriorLabelWeights::weights(const at::Tensor& x, const at::Tensor& sigma,
                                          const at::Tensor& shown) const {
  const at::Tensor raw = unclamped(x, sigma, shown);
  return model_.posterior_of == PosteriorOf::kTrueClass ? raw : clamped_weights(raw, shown);
}

StaticLabelWeights::StaticLabelWeights(const LabelModel& model) {
  check_model(model);
  reversed_ = reversed_transition(model.transition, model.prior);
}

at::Tensor StaticLabelWeights::weights(const at::Tensor& x, const at::Tensor&,
                                       const at::Tensor& shown) const {
  return reversed_.to(x.options()).index_select(0, shown);
}

}  // namespace equipoise::diffusion
