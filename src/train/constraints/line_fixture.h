// Laws on a line, for which every loss is known, as image sets and constraints of the tests.
#pragma once

#include <memory>
#include <string>

#include "diffusion/mixture_law.h"
#include "train/constraints/denoising_constraint.h"

namespace equipoise::train {

/// share N(2, 1/4) + (1 - share) N(-2, 1/4).
inline diffusion::GaussianMixture two_humps(double share) {
  if (share == 1) return diffusion::isotropic_gaussian({2}, 0.5);
  if (share == 0) return diffusion::isotropic_gaussian({-2}, 0.5);
  return diffusion::GaussianMixture({{.weight = share, .mean = {2}, .std = 0.5},
                                     {.weight = 1 - share, .mean = {-2}, .std = 0.5}});
}

/// Draws of it as a set of vectors of length 1; group 1 is what lies right of 0.
inline std::shared_ptr<data::ImageSet> hump_set(double share, int64_t size) {
  auto set = std::make_shared<data::ImageSet>();
  set->images = two_humps(share).sample(7, at::arange(size));
  set->labels = set->images.select(1, 0).gt(0).to(at::kLong);
  set->class_names = {"left", "right"};
  set->source = "two humps";
  return set;
}

/// A run on such a set: no reference, none held out. By default lambda = 1 / sigma^2 at uniform
/// times, so that the loss is that of predicted noise.
inline ConstraintContext line_context(std::shared_ptr<const data::ImageSet> set,
                                      diffusion::NoiseLaw noise = {.law = "vp"}) {
  ConstraintContext context{.set = std::move(set)};
  context.biased = at::arange(context.set->size());
  context.reference = at::empty({0}, at::kLong);
  context.groups = context.set->class_names;
  context.noise = std::move(noise);
  context.sigma_data = 1;
  context.seed = 11;
  context.num_workers = 1;
  return context;
}

inline std::unique_ptr<Constraint> make_constraint(const std::string& kind,
                                                   const nlohmann::json& options,
                                                   const ConstraintContext& context) {
  return ConstraintRegistry::instance().find(kind).make.make(options, context);
}

/// The denoising loss on all of a context's images.
inline std::shared_ptr<const Constraint> loss_on(const ConstraintContext& context) {
  return std::make_shared<DenoisingConstraint>(
      DenoisingConstraint::Parts{.set = context.set, .indices = context.biased}, context);
}

}  // namespace equipoise::train
