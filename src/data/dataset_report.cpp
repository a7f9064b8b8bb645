#include "data/dataset_report.h"

#include <cmath>
#include <cstring>
#include <string_view>
#include <unordered_map>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/dataset_reader.h"

namespace equipoise::data {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kChunk = 1000;  // images turned into doubles at a time

DatasetReport::Counts count_values(const Attribute& attribute) {
  const auto num_values = static_cast<int64_t>(attribute.values.size());
  const at::Tensor counts = at::bincount(attribute.codes, {}, num_values);
  return {attribute.values, {counts.data_ptr<int64_t>(), counts.data_ptr<int64_t>() + num_values}};
}

/// Mean and standard deviation per channel (per coordinate, for vectors).
void measure_pixels(const at::Tensor& images, DatasetReport& report) {
  const int64_t num_channels = images.size(1);
  at::Tensor sum = at::zeros({num_channels}, at::kDouble);
  at::Tensor sum_of_squares = at::zeros({num_channels}, at::kDouble);
  for (int64_t begin = 0; begin < images.size(0); begin += kChunk) {
    const at::Tensor chunk = images.narrow(0, begin, std::min(kChunk, images.size(0) - begin))
                                 .to(at::kDouble)
                                 .transpose(0, 1)
                                 .reshape({num_channels, -1});
    sum += chunk.sum(1);
    sum_of_squares += chunk.square().sum(1);
  }
  const auto num_values = static_cast<double>(images.numel()) / static_cast<double>(num_channels);
  const at::Tensor mean = sum / num_values;
  const at::Tensor std = (sum_of_squares / num_values - mean.square()).clamp_min(0).sqrt();
  report.mean.assign(mean.data_ptr<double>(), mean.data_ptr<double>() + num_channels);
  report.std.assign(std.data_ptr<double>(), std.data_ptr<double>() + num_channels);
}

std::vector<DatasetReport::Duplicate> find_duplicates(const at::Tensor& images) {
  const at::Tensor contiguous = images.contiguous();
  const size_t row_bytes = contiguous.nbytes() / static_cast<size_t>(contiguous.size(0));
  const char* bytes = static_cast<const char*>(contiguous.data_ptr());
  std::unordered_map<std::string_view, int64_t> first_with;
  std::vector<DatasetReport::Duplicate> duplicates;
  for (int64_t i = 0; i < contiguous.size(0); ++i) {
    const std::string_view pixels(bytes + static_cast<size_t>(i) * row_bytes, row_bytes);
    const auto [it, is_new] = first_with.emplace(pixels, i);
    if (!is_new) duplicates.push_back({it->second, i});
  }
  return duplicates;
}

std::string name_of(const ImageSet& set, int64_t index) {
  return set.names.empty() ? std::to_string(index)
                           : fmt::format("{} ({})", index, set.names[static_cast<size_t>(index)]);
}

/// Copies under two classes cannot both be right.
void note_contradictions(const ImageSet& set, DatasetReport& report) {
  if (!set.has_labels()) return;
  const auto class_of = [&](int64_t index) {
    return set.class_names[static_cast<size_t>(set.labels[index].item<int64_t>())];
  };
  for (const auto& [first, second] : report.duplicates)
    if (class_of(first) != class_of(second))
      report.problems.push_back(fmt::format(
          "images {} and {} have the same pixels but different classes, {} and {}",
          name_of(set, first), name_of(set, second), class_of(first), class_of(second)));
}

void note_empty_classes(DatasetReport& report) {
  const auto it = report.groups.find("class");
  if (it == report.groups.end()) return;
  for (size_t k = 0; k < it->second.counts.size(); ++k)
    if (it->second.counts[k] == 0)
      report.problems.push_back(fmt::format("class '{}' has no images", it->second.values[k]));
}

void note_missing_values(DatasetReport& report) {
  for (const auto& [name, counts] : report.groups)
    for (size_t k = 0; k < counts.values.size(); ++k)
      if (counts.values[k].empty() && counts.counts[k] > 0)
        report.problems.push_back(
            fmt::format("{} images have no value of '{}'", counts.counts[k], name));
}

}  // namespace

DatasetReport describe(const ImageSet& set) {
  DatasetReport report;
  report.source = set.source;
  report.sha256 = set.sha256;
  report.num_images = set.size();
  report.shape = set.images.sizes().slice(1).vec();
  if (set.has_labels()) report.groups["class"] = count_values({set.class_names, set.labels});
  for (const auto& [name, attribute] : set.attributes)
    report.groups.emplace(name, count_values(attribute));
  measure_pixels(set.images, report);
  report.duplicates = find_duplicates(set.images);
  note_empty_classes(report);
  note_missing_values(report);
  note_contradictions(set, report);
  return report;
}

DatasetReport check_dataset(const std::string& spec) {
  std::vector<std::string> problems;
  DatasetReport report;
  try {
    ReadOptions options;
    options.allow_empty_classes = true;
    options.problems = &problems;
    report = describe(load_images(spec, options));
  } catch (const DataError& error) {
    report.source = spec;
    problems.push_back(error.what());
  }
  report.problems.insert(report.problems.begin(), problems.begin(), problems.end());
  return report;
}

Json DatasetReport::to_json() const {
  Json groups_json = Json::object();
  for (const auto& [name, counts] : groups) {
    Json values = Json::object();
    for (size_t k = 0; k < counts.values.size(); ++k) values[counts.values[k]] = counts.counts[k];
    groups_json[name] = values;
  }
  Json pairs = Json::array();
  for (const auto& [first, second] : duplicates) pairs.push_back({first, second});
  return {{"source", source}, {"sha256", sha256},      {"num_images", num_images},
          {"shape", shape},   {"groups", groups_json}, {"mean", mean},
          {"std", std},       {"duplicates", pairs},   {"problems", problems}};
}

std::string DatasetReport::to_text() const {
  std::string text = fmt::format("{}\n", source);
  if (num_images > 0) {
    text += fmt::format("  images      {} of {}\n", num_images, fmt::join(shape, " x "));
    text += fmt::format("  sha256      {}\n", sha256);
    text +=
        fmt::format("  mean, std   {:.2f}; {:.2f}\n", fmt::join(mean, " "), fmt::join(std, " "));
    for (const auto& [name, counts] : groups) {
      text += fmt::format("  {}\n", name);
      for (size_t k = 0; k < counts.values.size(); ++k)
        text += fmt::format(
            "    {:<20} {:>8}  {:5.1f} %\n", counts.values[k], counts.counts[k],
            100.0 * static_cast<double>(counts.counts[k]) / static_cast<double>(num_images));
    }
    text += fmt::format("  duplicates  {}\n", duplicates.size());
  }
  for (const std::string& problem : problems) text += fmt::format("  problem: {}\n", problem);
  text += problems.empty() ? "  no problems found\n"
                           : fmt::format("  problems found: {}\n", problems.size());
  return text;
}

}  // namespace equipoise::data
