// The denoising loss on a set of images, whatever they are.
#pragma once

#include <memory>
#include <vector>

#include "data/batch_source.h"
#include "train/constraints/constraint.h"

namespace equipoise::train {

///   J = E_{y,sigma,n} [ lambda(sigma) |D(y + sigma n; sigma) - y|^2 ] / elements
///
/// Images come in endless shuffled passes and are never augmented: the constraint is about what is
/// sampled, and samples are not.
class DenoisingConstraint : public Constraint {
 public:
  struct Parts {
    /// For a conditional denoiser, labels are codes of its classes.
    std::shared_ptr<const data::ImageSet> set;
    at::Tensor indices;                                           ///< [n] int64 into `set`
    std::shared_ptr<const data::ImageSet> heldout_set = nullptr;  ///< null = none
    at::Tensor heldout = {};                                      ///< [n] int64 into it
    std::vector<double> group_shares = {};
  };
  /// Throws UsageError when there are no images, or a conditional denoiser finds no labels.
  DenoisingConstraint(Parts parts, const ConstraintContext& context);

  at::Tensor losses(const diffusion::Denoiser& denoiser, int64_t first,
                    int64_t count) const override;
  double heldout_loss(const diffusion::Denoiser& denoiser) const override;
  Floor floor() const override;
  int64_t num_images() const override { return parts_.indices.numel(); }
  std::vector<double> group_shares() const override { return parts_.group_shares; }

 private:
  at::Tensor losses_of(const diffusion::Denoiser& denoiser, const diffusion::NoisyBatch& noisy,
                       const at::Tensor& labels, const nets::ForwardRandomness* randomness) const;

  Parts parts_;
  data::BatchSource source_;
  diffusion::NoiseLaw noise_;
  double sigma_data_;
  int64_t label_dim_;
  uint64_t seed_;
  int64_t num_workers_;
  at::Device device_;
};

}  // namespace equipoise::train
