// How labels go wrong, S[c][j] = p(label j shown | class c true), estimated:
//
//   counts    from images of which both are known
//   anchors   from a classifier of shown labels: where the class is beyond doubt, its posterior is a
//             row of S
//   learned   together with a classifier of true classes: of all matrices that explain the labels,
//             the one of least volume
//
// How to choose: counts when a few hundred labels have been checked by hand; learned otherwise;
// anchors when the classes are easy to tell apart, because then they need no second classifier.
// Neither of the last two can work where a class has no image that is surely of it.
#pragma once

#include <cstdint>

#include "core/libtorch.h"

namespace equipoise::reweight {

/// Shares of shown labels within each true class; [K,K] float64, from [N] int64 labels of the same
/// images. Throws UsageError naming a class that has no image.
at::Tensor count_transition(const at::Tensor& true_labels, const at::Tensor& shown_labels,
                            int64_t num_classes);

/// Row c: the mean of the `num_anchors` rows of `posterior` that give label c the most. The mean of
/// several is not led by one outlier; taken among too many it is led by images that are not surely
/// of the class.
///
/// Shapes: posterior [N,K] of shown labels, on images the classifier was not trained on (it knows
/// the labels of the others by heart). Returns [K,K] float64.
/// Source: Patrini et al. 2017 (arXiv:1609.03683), Eq. 13, one anchor there. Throws: UsageError when
/// there are fewer images than anchors.
at::Tensor anchor_transition(const at::Tensor& posterior, int64_t num_anchors);

/// -log sum_c h_c S[c][j] of each item [B]: cross-entropy of the label shown, when h is the
/// posterior of true classes. At its least h is right although the labels are not ("forward
/// correction").
///
/// Shapes: log_posterior [B,K], shown [B] int64, S [K,K]; differentiable in the first and the last.
/// Labels that S makes impossible count as 1e-12 times as probable, so that the loss stays finite.
/// Source: Patrini et al. 2017 (arXiv:1609.03683), Theorem 2.
at::Tensor forward_corrected_losses(const at::Tensor& log_posterior, const at::Tensor& shown,
                                    const at::Tensor& transition);

/// A matrix to be trained with the classifier:
///
///   S = rows of (I + (1 - I) sigmoid(V)), each divided by its sum,    V = -2 + 10 U
///
/// so that every class keeps its own label more often than it is given any other one. U is what is
/// trained: Adam moves V ten times as fast as a network's weights, because the data say little of
/// which matrix it is and much of what the classifier should say under any of them.
/// Source: Li et al. 2021 (VolMinNet, arXiv:2102.02400); start as in the released TDSM. Differs: one
/// optimizer, the factor of U.
class LearnedTransition : public torch::nn::Module {
 public:
  explicit LearnedTransition(int64_t num_classes);
  at::Tensor matrix() const;  ///< [K,K] float32 with its graph
  /// log |det S| <= 0, to be made small: of two matrices that explain the labels, the one whose
  /// rows span less is right when every class has images that are surely of it.
  at::Tensor log_volume() const;

 private:
  at::Tensor moves_;  ///< U
};

}  // namespace equipoise::reweight
