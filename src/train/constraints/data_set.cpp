// Images of another law: a data set of its own, or the run's reference.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/config.h"
#include "core/error.h"
#include "core/spelling.h"
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

/// The set's labels as the model's classes, which are found by name: another set counts its classes
/// in its own way.
at::Tensor labels_by_name(const data::ImageSet& set, const std::vector<std::string>& classes) {
  std::vector<int64_t> codes;
  for (const std::string& name : set.class_names) {
    const auto found = std::find(classes.begin(), classes.end(), name);
    if (found == classes.end()) {
      const std::string nearest = nearest_name(name, classes);
      throw UsageError(
          {.where = set.source,
           .what = "the model has no class of this name",
           .got = name,
           .expected = fmt::format("names of its classes: {}", fmt::join(classes, ", ")),
           .hint = nearest.empty() ? "Name the set's classes with ?classes=NAME,NAME"
                                   : fmt::format("Did you mean '{}'?", nearest)});
    }
    codes.push_back(found - classes.begin());
  }
  return at::tensor(codes, at::kLong).index_select(0, set.labels);
}

std::unique_ptr<Constraint> make_data_set(const DataSetOptions& options,
                                          const ConstraintContext& context) {
  if (options.path.empty()) return make_reference(context);
  data::ImageSet set = data::load_images(options.path, {.require_labels = context.label_dim > 0});
  const at::IntArrayRef wanted = context.set->images.sizes().slice(1);
  if (set.images.sizes().slice(1) != wanted)
    throw UsageError({.where = options.path,
                      .what = "the constraint's images differ in size from the training images",
                      .got = fmt::format("{}", fmt::join(set.images.sizes().slice(1), " x ")),
                      .expected = fmt::format("{}", fmt::join(wanted, " x ")),
                      .hint = ""});
  if (context.label_dim > 0) set.labels = labels_by_name(set, context.groups);
  const at::Tensor all = at::arange(set.size());
  return std::make_unique<DenoisingConstraint>(
      DenoisingConstraint::Parts{.set = std::make_shared<const data::ImageSet>(std::move(set)),
                                 .indices = all},
      context);
}

const bool kRegistered = register_constraint<DataSetOptions>(
    {.name = "data_set",
     .summary = "The denoising loss on a data set of its own stays small.",
     .source = "Khalafi, Ding and Ribeiro 2024 (NeurIPS), Eq. of problem U-LOSS",
     .use_when = "images of another law must be kept in mind; group for a class of the run"},
    make_data_set);

}  // namespace
}  // namespace equipoise::train
