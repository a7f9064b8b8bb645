// The images of one group of the run: a minority that must not be lost.
//
// They are part of the main training set too: a multiplier adds to the share they have there.
#include <algorithm>

#include "core/config.h"
#include "core/error.h"
#include "train/constraints/denoising_constraint.h"

namespace equipoise::train {
namespace {

struct GroupOptions {
  std::string group;
  std::string images = "biased";

  void fields(FieldVisitor& f) {
    f("group", group, "", "name of the class, or of the cell of several attributes");
    f.choice("images", images, {"biased", "reference", "both"},
             "which of the run's images of this group");
  }
};

at::Tensor members(const data::ImageSet& set, const at::Tensor& indices, int64_t group) {
  return indices.masked_select(set.labels.index_select(0, indices).eq(group));
}

std::unique_ptr<Constraint> make_group(const GroupOptions& options,
                                       const ConstraintContext& context) {
  const auto found = std::find(context.groups.begin(), context.groups.end(), options.group);
  if (found == context.groups.end()) throw unknown_name("group", options.group, context.groups);
  const int64_t group = found - context.groups.begin();
  at::Tensor indices = options.images == "biased" ? context.biased
                       : options.images == "reference"
                           ? context.reference
                           : at::cat({context.biased, context.reference});
  indices = members(*context.set, indices, group);
  if (indices.numel() == 0)
    throw UsageError({.where = "constraint on group '" + options.group + "'",
                      .what = "there are no images of this group in the set it is to use",
                      .got = options.images,
                      .expected = "biased, reference or both",
                      .hint = ""});
  std::vector<double> shares(context.groups.size(), 0.0);
  shares[static_cast<size_t>(group)] = 1;
  DenoisingConstraint::Parts parts{
      .set = context.set, .indices = indices, .group_shares = std::move(shares)};
  if (context.heldout_set) {
    parts.heldout_set = context.heldout_set;
    parts.heldout = members(*context.heldout_set, context.heldout, group);
  }
  return std::make_unique<DenoisingConstraint>(std::move(parts), context);
}

const bool kRegistered = register_constraint<GroupOptions>(
    {.name = "group",
     .summary = "The denoising loss on one group of the training images stays small.",
     .source = "Khalafi, Ding and Ribeiro 2024 (NeurIPS), minority classes",
     .use_when = "a rare class or cell must not be lost; data_set when its images lie elsewhere"},
    make_group);

}  // namespace
}  // namespace equipoise::train
