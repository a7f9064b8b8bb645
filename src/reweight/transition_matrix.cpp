#include "reweight/transition_matrix.h"

#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"

namespace equipoise::reweight {
namespace {

constexpr double kLeastProbability = 1e-12;
constexpr double kFirstLogit = -2, kSpeed = 10;

}  // namespace

at::Tensor count_transition(const at::Tensor& true_labels, const at::Tensor& shown_labels,
                            int64_t num_classes) {
  check_shape(shown_labels, {true_labels.numel()}, "shown labels");
  const at::Tensor counts =
      at::bincount(true_labels * num_classes + shown_labels, {}, num_classes * num_classes)
          .view({num_classes, num_classes})
          .to(at::kDouble);
  const at::Tensor totals = counts.sum(1);
  const at::Tensor empty = totals.eq(0).nonzero();
  if (empty.numel() > 0)
    throw UsageError(
        {.where = "transition matrix",
         .what = fmt::format("no image of class {} has both labels", empty[0][0].item<int64_t>()),
         .got = "",
         .expected = "at least one of each class",
         .hint = ""});
  return counts / totals.unsqueeze(1);
}

at::Tensor anchor_transition(const at::Tensor& posterior, int64_t num_anchors) {
  check_shape(posterior, {kAny, kAny}, "posterior of shown labels");
  if (num_anchors < 1 || posterior.size(0) < num_anchors)
    throw UsageError({.where = "transition matrix",
                      .what = "too few images to find anchors among",
                      .got = fmt::format("{}", posterior.size(0)),
                      .expected = fmt::format("at least {}", std::max<int64_t>(num_anchors, 1)),
                      .hint = ""});
  const at::Tensor rows = posterior.to(at::kDouble);
  const at::Tensor anchors = std::get<1>(rows.topk(num_anchors, /*dim=*/0));  // [anchors, K]
  std::vector<at::Tensor> transition;
  for (int64_t c = 0; c < rows.size(1); ++c)
    transition.push_back(rows.index_select(0, anchors.select(1, c)).mean(0));
  const at::Tensor matrix = at::stack(transition);
  return matrix / matrix.sum(1, /*keepdim=*/true);
}

at::Tensor forward_corrected_losses(const at::Tensor& log_posterior, const at::Tensor& shown,
                                    const at::Tensor& transition) {
  const at::Tensor columns = transition.to(log_posterior.options())
                                 .t()
                                 .index_select(0, shown)
                                 .clamp_min(kLeastProbability);
  return -(log_posterior + columns.log()).logsumexp(1);
}

LearnedTransition::LearnedTransition(int64_t num_classes)
    : moves_(register_parameter("moves", torch::zeros({num_classes, num_classes}))) {}

at::Tensor LearnedTransition::matrix() const {
  const at::Tensor identity = at::eye(moves_.size(0), moves_.options());
  const at::Tensor odds = identity + (1 - identity) * (kFirstLogit + kSpeed * moves_).sigmoid();
  return odds / odds.sum(1, /*keepdim=*/true);
}

at::Tensor LearnedTransition::log_volume() const {
  return std::get<1>(at::linalg_slogdet(matrix()));
}

}  // namespace equipoise::reweight
