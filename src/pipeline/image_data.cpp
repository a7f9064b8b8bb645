#include "pipeline/image_data.h"

#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "core/random.h"
#include "data/dataset_reader.h"
#include "data/groups.h"
#include "data/label_noise.h"
#include "metrics/shares.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;

nets::DataShape shape_of(const data::ImageSet& set) {
  if (set.is_vectors()) return {.resolution = 0, .channels = set.images.size(1), .label_dim = 0};
  if (set.images.size(2) != set.images.size(3))
    throw DataError({.where = set.source,
                     .what = "images are not square",
                     .got = fmt::format("{} x {}", set.images.size(3), set.images.size(2)),
                     .expected = "equal sides",
                     .hint = "Crop or pad them first"});
  return {.resolution = set.images.size(2), .channels = set.images.size(1), .label_dim = 0};
}

/// The set with its labels replaced by group codes.
std::shared_ptr<const data::ImageSet> with_groups(data::ImageSet set,
                                                  const data::Grouping& groups) {
  set.labels = groups.codes;
  set.class_names = groups.names;
  return std::make_shared<const data::ImageSet>(std::move(set));
}

void check_same_kind(const data::ImageSet& training, const data::ImageSet& evaluation,
                     const data::Grouping& a, const data::Grouping& b) {
  if (training.images.sizes().slice(1) != evaluation.images.sizes().slice(1))
    throw DataError(
        {.where = evaluation.source,
         .what = "the evaluation images differ in size from the training images",
         .got = fmt::format("{}", fmt::join(evaluation.images.sizes().slice(1), " x ")),
         .expected = fmt::format("{}", fmt::join(training.images.sizes().slice(1), " x ")),
         .hint = ""});
  if (a.names != b.names)
    throw DataError({.where = evaluation.source,
                     .what = "the evaluation set has other groups than the training set",
                     .got = fmt::format("{}", fmt::join(b.names, ", ")),
                     .expected = fmt::format("{}", fmt::join(a.names, ", ")),
                     .hint = ""});
}

/// As many images of each group as the target's shares allow, the first of each.
at::Tensor follow_target(const at::Tensor& indices, const at::Tensor& labels,
                         const std::vector<double>& target) {
  const at::Tensor codes = labels.index_select(0, indices);
  std::vector<at::Tensor> members;
  double size = std::numeric_limits<double>::infinity();
  for (size_t group = 0; group < target.size(); ++group) {
    members.push_back(indices.masked_select(codes == static_cast<int64_t>(group)));
    if (target[group] > 0)
      size = std::min(size, static_cast<double>(members[group].numel()) / target[group]);
  }
  std::vector<at::Tensor> chosen;
  for (size_t group = 0; group < target.size(); ++group)
    chosen.push_back(
        members[group].slice(0, 0, static_cast<int64_t>(std::floor(size * target[group] + 1e-9))));
  return std::get<0>(at::cat(chosen).sort());
}

Json counts(const data::ImageSet& set, const at::Tensor& indices, int64_t num_groups) {
  const at::Tensor count = at::bincount(set.labels.index_select(0, indices), {}, num_groups);
  return std::vector<int64_t>(count.data_ptr<int64_t>(), count.data_ptr<int64_t>() + num_groups);
}

/// Sets `shown` and `label_noise`. Labels are made wrong where generators are trained, nowhere else.
void show_labels(const ExperimentConfig& config, ImageData& data) {
  const data::LabelNoiseConfig& noise = config.data.label_noise;
  data.shown = data.training;
  if (noise.kind == "none") return;
  const at::Tensor indices = at::cat({data.split.biased, data.split.reference});
  const at::Tensor& labels = data.training->labels;
  auto shown = std::make_shared<data::ImageSet>(*data.training);
  if (noise.kind == "labels") {
    shown->labels = data::read_labels(noise.labels_file, *data.training, indices);
    data.label_noise = data::counted_transition(
        labels.index_select(0, indices), shown->labels.index_select(0, indices), data.num_groups());
  } else {
    data.label_noise = data::noise_matrix(noise, *data.training);
    shown->labels = data::noisy_labels(labels, indices, data.label_noise, noise.draw,
                                       static_cast<uint64_t>(config.seed));
  }
  if (config.label_need() != objectives::LabelNeed::kNone &&
      config.label_model.transition == "known")
    data::check_invertible(data.label_noise, "data.label_noise");
  data.shown = std::move(shown);
}

/// What became of the training labels: how many are wrong, and which label each class was shown.
Json label_noise_json(const ImageData& data) {
  const at::Tensor indices = at::cat({data.split.biased, data.split.reference});
  const at::Tensor truth = data.training->labels.index_select(0, indices),
                   shown = data.shown->labels.index_select(0, indices);
  return {{"share_wrong", truth.ne(shown).to(at::kDouble).mean().item<double>()},
          {"counts", metrics::confusion_matrix(truth, shown, data.num_groups())}};
}

}  // namespace

at::Tensor raw_images(const data::ImageSet& set, const at::Tensor& indices) {
  return set.images.index_select(0, indices);
}

std::vector<int64_t> ImageData::item_shape() const {
  return training->images.sizes().slice(1).vec();
}

Json ImageData::to_json() const {
  const auto set_json = [&](const char* name, const data::ImageSet& set,
                            const at::Tensor& indices) {
    return Json{
        {"name", name}, {"size", indices.numel()}, {"counts", counts(set, indices, num_groups())}};
  };
  Json json{{"source", training->source},
            {"sha256", training->sha256},
            {"num_images", training->size()},
            {"shape", item_shape()},
            {"class_names", split.groups},
            {"split", {{"protocol", split.protocol}, {"seed", split.seed}, {"file", "split.json"}}},
            {"sets",
             {set_json("biased", *training, split.biased),
              set_json("reference", *training, split.reference),
              set_json("classifier", *training, classifier_indices),
              set_json("evaluation", *evaluation, target_indices)}},
            {"target", split.target}};
  if (label_noise.defined()) json["label_noise"] = label_noise_json(*this);
  return json;
}

ImageData load_image_data(const ExperimentConfig& config, const std::filesystem::path& split_file,
                          Progress& progress) {
  ImageData result;
  data::ImageSet training = data::load_images(config.data.path, {.require_labels = true});
  result.shape = shape_of(training);
  if (std::filesystem::exists(split_file)) {
    result.split = data::load_split(split_file, training);
  } else {
    result.split = data::make_split(training, config.data, static_cast<uint64_t>(config.seed));
    if (!split_file.empty()) data::save_split(result.split, split_file);
  }
  const data::Grouping groups = data::group_images(training, result.split.attributes);
  const at::Tensor heldout = result.split.heldout;
  if (config.data.evaluation.empty()) {
    result.training = result.evaluation = with_groups(std::move(training), groups);
    const at::Tensor order = heldout.index_select(
        0,
        random_permutation(RandomStream(static_cast<uint64_t>(config.seed), Purpose::kSplit, 1, 1),
                           heldout.numel()));
    const auto num_test =
        static_cast<int64_t>(config.classifier.test_share * static_cast<double>(heldout.numel()));
    result.test_indices = std::get<0>(order.slice(0, 0, num_test).sort());
    result.classifier_indices = std::get<0>(order.slice(0, num_test).sort());
  } else {
    data::ImageSet evaluation = data::load_images(config.data.evaluation, {.require_labels = true});
    const data::Grouping evaluation_groups =
        data::group_images(evaluation, result.split.attributes);
    check_same_kind(training, evaluation, groups, evaluation_groups);
    result.training = with_groups(std::move(training), groups);
    result.evaluation = with_groups(std::move(evaluation), evaluation_groups);
    result.test_indices = at::arange(result.evaluation->size());
    result.classifier_indices = heldout;
  }
  if (result.classifier_indices.numel() < 10 * result.num_groups() ||
      result.test_indices.numel() == 0)
    throw UsageError(
        {.where = "data.heldout",
         .what = "too few images are held out for the classifier that measures the groups",
         .got = fmt::format("{}", result.classifier_indices.numel()),
         .expected = fmt::format("at least {}", 10 * result.num_groups()),
         .hint = "Set data.heldout to a larger share, such as 0.15"});
  show_labels(config, result);
  result.target_indices =
      follow_target(result.test_indices, result.evaluation->labels, result.split.target);
  progress.message(
      fmt::format("{}: {} biased, {} reference, {} for the classifier, {} to measure against",
                  config.data.path, result.split.biased.numel(), result.split.reference.numel(),
                  result.classifier_indices.numel(), result.target_indices.numel()));
  return result;
}

}  // namespace equipoise::pipeline
