// Images of another law: a data set of its own, or the run's reference.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/config.h"
#include "core/error.h"
#include "data/dataset_reader.h"
#include "train/constraints/denoising_constraint.h"

namespace equipoise::train {
namespace {

struct DataSetOptions {
  std::string path;

  void fields(FieldVisitor& f) {
    f("path", path, "", "a data set (equipoise list datasets); empty = the run's reference set");
  }
};

std::vector<double> shares_of(const at::Tensor& labels, size_t num_groups) {
  const at::Tensor shares =
      at::bincount(labels, {}, static_cast<int64_t>(num_groups)).to(at::kDouble) /
      static_cast<double>(labels.numel());
  return {shares.data_ptr<double>(), shares.data_ptr<double>() + num_groups};
}

std::unique_ptr<Constraint> make_reference(const ConstraintContext& context) {
  if (!context.reference.defined() || context.reference.numel() == 0)
    throw UsageError({.where = "constraint data_set",
                      .what = "the run has no reference set to be constrained on",
                      .got = "an empty path",
                      .expected = "a reference, or the path of a data set",
                      .hint = ""});
  return std::make_unique<DenoisingConstraint>(
      DenoisingConstraint::Parts{
          .set = context.set,
          .indices = context.reference,
          .heldout_set = context.heldout_set,
          .heldout = context.heldout,
          .group_shares = shares_of(context.set->labels.index_select(0, context.reference),
                                    context.groups.size())},
      context);
}

std::unique_ptr<Constraint> make_data_set(const DataSetOptions& options,
                                          const ConstraintContext& context) {
  if (options.path.empty()) return make_reference(context);
  auto set = std::make_shared<const data::ImageSet>(
      data::load_images(options.path, {.require_labels = context.label_dim > 0}));
  const at::IntArrayRef wanted = context.set->images.sizes().slice(1);
  if (set->images.sizes().slice(1) != wanted)
    throw UsageError({.where = options.path,
                      .what = "the constraint's images differ in size from the training images",
                      .got = fmt::format("{}", fmt::join(set->images.sizes().slice(1), " x ")),
                      .expected = fmt::format("{}", fmt::join(wanted, " x ")),
                      .hint = ""});
  const at::Tensor all = at::arange(set->size());
  return std::make_unique<DenoisingConstraint>(
      DenoisingConstraint::Parts{.set = std::move(set), .indices = all}, context);
}

const bool kRegistered = register_constraint<DataSetOptions>(
    {.name = "data_set",
     .summary = "The denoising loss on a data set of its own stays small.",
     .source = "Khalafi, Ding and Ribeiro 2024 (NeurIPS), Eq. of problem U-LOSS",
     .use_when = "images of another law must be kept in mind; group for a class of the run"},
    make_data_set);

}  // namespace
}  // namespace equipoise::train
