#include "data/label_noise.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "core/random.h"
#include "core/spelling.h"
#include "data/allocation.h"
#include "data/image_finder.h"
#include "io/csv.h"
#include "io/files.h"

namespace equipoise::data {
namespace {

constexpr double kRowTolerance = 1e-6;
constexpr double kLargestCondition = 1e4;
constexpr const char* kWhere = "data.label_noise";

std::vector<int64_t> no_change(int64_t num_classes) {
  std::vector<int64_t> map(static_cast<size_t>(num_classes));
  std::iota(map.begin(), map.end(), int64_t{0});
  return map;
}

int64_t class_named(const std::string& name, const std::vector<std::string>& names) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) throw unknown_name("class", name, names);
  return found - names.begin();
}

/// "2->7" by class names.
std::vector<int64_t> map_of_pairs(const std::vector<std::string>& pairs,
                                  const std::vector<std::string>& names) {
  std::vector<int64_t> map = no_change(static_cast<int64_t>(names.size()));
  for (const std::string& pair : pairs) {
    const size_t arrow = pair.find("->");
    if (arrow == std::string::npos)
      throw UsageError({.where = "data.label_noise.map",
                        .what = "not a pair of classes",
                        .got = "'" + pair + "'",
                        .expected = "'FROM->TO', or one of mnist, cifar10",
                        .hint = ""});
    const auto from = static_cast<size_t>(class_named(pair.substr(0, arrow), names));
    map[from] = class_named(pair.substr(arrow + 2), names);
  }
  return map;
}

std::vector<int64_t> map_of(const LabelNoiseConfig& config, const ImageSet& set) {
  const auto num_classes = static_cast<int64_t>(set.class_names.size());
  if (config.map.empty() == config.rings.empty())
    throw UsageError({.where = kWhere,
                      .what = "asymmetric noise does not say which class turns into which",
                      .got = config.map.empty() ? "neither map nor rings" : "both map and rings",
                      .expected = "one of them",
                      .hint = "map = [\"2->7\", \"3->8\"]"});
  if (!config.rings.empty())
    return ring_map(set.labels, set.attribute(config.rings).codes, num_classes);
  const bool is_published = config.map.size() == 1 && config.map[0].find("->") == std::string::npos;
  if (!is_published) return map_of_pairs(config.map, set.class_names);
  std::vector<int64_t> map = published_map(config.map[0]);
  if (static_cast<int64_t>(map.size()) != num_classes)
    throw UsageError({.where = "data.label_noise.map",
                      .what = "the published map is of other classes",
                      .got = fmt::format("{} classes", num_classes),
                      .expected = fmt::format("{}", map.size()),
                      .hint = "Name the pairs: map = [\"2->7\", \"3->8\"]"});
  return map;
}

std::vector<double> numbers_in(const std::string& text, const std::string& where) {
  std::string spaced = text;
  std::ranges::replace(spaced, ',', ' ');
  std::istringstream words(spaced);
  std::vector<double> numbers;
  for (std::string word; words >> word;) {
    double number = 0;
    const char* end = word.data() + word.size();
    const auto result = std::from_chars(word.data(), end, number);
    if (result.ec != std::errc() || result.ptr != end)
      throw UsageError({.where = where,
                        .what = "not a number",
                        .got = "'" + word + "'",
                        .expected = "shares, such as 0.8 0.1 0.1",
                        .hint = ""});
    numbers.push_back(number);
  }
  return numbers;
}

/// Rows of numbers as a square matrix; check_transition judges it.
at::Tensor matrix_of(const std::vector<std::string>& rows, int64_t num_classes,
                     const std::string& where) {
  if (static_cast<int64_t>(rows.size()) != num_classes)
    throw UsageError({.where = where,
                      .what = "the matrix has not one row a class",
                      .got = fmt::format("{} rows", rows.size()),
                      .expected = fmt::format("{}", num_classes),
                      .hint = ""});
  at::Tensor S = at::empty({num_classes, num_classes}, at::kDouble);
  for (size_t c = 0; c < rows.size(); ++c) {
    const std::vector<double> row = numbers_in(rows[c], where);
    if (static_cast<int64_t>(row.size()) != num_classes)
      throw UsageError({.where = where,
                        .what = fmt::format("row {} has not one number a class", c),
                        .got = fmt::format("{}", row.size()),
                        .expected = fmt::format("{}", num_classes),
                        .hint = ""});
    S[static_cast<int64_t>(c)].copy_(at::tensor(row, at::kDouble));
  }
  check_transition(S, num_classes, where);
  return S;
}

at::Tensor given_matrix(const LabelNoiseConfig& config, const ImageSet& set) {
  if (config.rows.empty() == config.matrix_file.empty())
    throw UsageError(
        {.where = kWhere,
         .what = "noise of kind 'matrix' needs one matrix",
         .got = config.rows.empty() ? "neither rows nor matrix_file" : "both rows and matrix_file",
         .expected = "one of them",
         .hint = ""});
  if (!config.matrix_file.empty()) return load_transition(config.matrix_file, set.class_names);
  return matrix_of(config.rows, static_cast<int64_t>(set.class_names.size()),
                   "data.label_noise.rows");
}

/// The first label whose cumulative share exceeds `uniform`; never one of share 0.
int64_t draw_label(const double* row, int64_t num_classes, double uniform) {
  int64_t last_possible = 0;
  for (int64_t j = 0; j < num_classes; ++j) {
    if (row[j] <= 0) continue;
    last_possible = j;
    uniform -= row[j];
    if (uniform < 0) return j;
  }
  return last_possible;  // rows sum to 1 up to rounding
}

void draw_independently(at::Tensor& labels, const at::Tensor& indices, const at::Tensor& S,
                        uint64_t seed) {
  auto label = labels.accessor<int64_t, 1>();
  const auto chosen = indices.accessor<int64_t, 1>();
  for (int64_t i = 0; i < indices.numel(); ++i) {
    RandomStream stream(seed, Purpose::kLabelNoise, static_cast<uint64_t>(chosen[i]));
    const double* row = S.data_ptr<double>() + label[chosen[i]] * S.size(1);
    label[chosen[i]] = draw_label(row, S.size(1), stream.uniform());
  }
}

void deal_out(at::Tensor& labels, const at::Tensor& indices, const at::Tensor& S, uint64_t seed) {
  const at::Tensor before = labels.index_select(0, indices);
  for (int64_t c = 0; c < S.size(0); ++c) {
    const at::Tensor members = indices.masked_select(before == c);
    const at::Tensor order = random_permutation(
        RandomStream(seed, Purpose::kLabelNoise, static_cast<uint64_t>(c), /*part=*/1),
        members.numel());
    const double* row = S.data_ptr<double>() + c * S.size(1);
    int64_t start = 0;
    const std::vector<int64_t> counts = allocate(members.numel(), {row, row + S.size(1)});
    for (size_t j = 0; j < counts.size(); ++j) {
      const at::Tensor dealt = members.index_select(0, order.slice(0, start, start + counts[j]));
      labels.index_fill_(0, dealt, static_cast<int64_t>(j));
      start += counts[j];
    }
  }
}

}  // namespace

at::Tensor symmetric_noise(int64_t num_classes, double rate) {
  const at::Tensor identity = at::eye(num_classes, at::kDouble);
  if (num_classes < 2) return identity;
  return (1 - rate) * identity + rate / static_cast<double>(num_classes - 1) * (1 - identity);
}

at::Tensor asymmetric_noise(const std::vector<int64_t>& turns_into, double rate) {
  at::Tensor S = at::eye(static_cast<int64_t>(turns_into.size()), at::kDouble);
  auto entry = S.accessor<double, 2>();
  for (size_t c = 0; c < turns_into.size(); ++c) {
    const auto from = static_cast<int64_t>(c);
    if (turns_into[c] == from) continue;
    entry[from][from] = 1 - rate;
    entry[from][turns_into[c]] = rate;
  }
  return S;
}

std::vector<int64_t> published_map(const std::string& name) {
  if (name == "mnist") return {0, 1, 7, 8, 4, 6, 5, 7, 8, 9};
  if (name == "cifar10") return {0, 1, 0, 5, 7, 3, 6, 7, 8, 1};
  throw unknown_name("published map of labels", name, {"mnist", "cifar10"});
}

std::vector<int64_t> ring_map(const at::Tensor& classes, const at::Tensor& rings,
                              int64_t num_classes) {
  std::vector<int64_t> ring_of(static_cast<size_t>(num_classes), -1);
  const auto class_at = classes.accessor<int64_t, 1>();
  const auto ring_at = rings.accessor<int64_t, 1>();
  for (int64_t i = 0; i < classes.numel(); ++i) {
    int64_t& ring = ring_of[static_cast<size_t>(class_at[i])];
    if (ring >= 0 && ring != ring_at[i])
      throw UsageError({.where = "data.label_noise.rings",
                        .what = fmt::format("images of class {} lie in several rings", class_at[i]),
                        .got = fmt::format("{} and {}", ring, ring_at[i]),
                        .expected = "an attribute that groups whole classes",
                        .hint = ""});
    ring = ring_at[i];
  }
  std::vector<int64_t> map = no_change(num_classes);
  for (size_t c = 0; c < map.size(); ++c) {
    size_t next = (c + 1) % map.size();
    while (ring_of[next] != ring_of[c]) next = (next + 1) % map.size();
    map[c] = static_cast<int64_t>(next);
  }
  return map;
}

at::Tensor noise_matrix(const LabelNoiseConfig& config, const ImageSet& set) {
  const auto num_classes = static_cast<int64_t>(set.class_names.size());
  if (config.kind == "none") return at::eye(num_classes, at::kDouble);
  if (config.kind == "symmetric") return symmetric_noise(num_classes, config.rate);
  if (config.kind == "asymmetric") return asymmetric_noise(map_of(config, set), config.rate);
  return given_matrix(config, set);
}

at::Tensor noisy_labels(const at::Tensor& labels, const at::Tensor& indices, const at::Tensor& S,
                        const std::string& draw, uint64_t seed) {
  at::Tensor shown = labels.clone();
  const at::Tensor rows = S.contiguous();
  if (draw == "exact")
    deal_out(shown, indices, rows, seed);
  else
    draw_independently(shown, indices, rows, seed);
  return shown;
}

at::Tensor read_labels(const std::filesystem::path& path, const ImageSet& set,
                       const at::Tensor& indices) {
  const std::string where = path.string();
  const io::CsvTable table = io::read_csv(path);
  const size_t image_column = io::column_index(table, "image", where),
               label_column = io::column_index(table, "label", where);
  const ImageFinder finder(set);
  at::Tensor given = at::full({set.size()}, -1, at::kLong);
  auto label = given.accessor<int64_t, 1>();
  for (const std::vector<std::string>& row : table.rows) {
    const int64_t image = finder.find(row[image_column], where);
    if (label[image] >= 0)
      throw DataError({.where = where,
                       .what = "an image is named twice",
                       .got = row[image_column],
                       .expected = "one label an image",
                       .hint = ""});
    label[image] = class_named(row[label_column], set.class_names);
  }
  const at::Tensor lacking = indices.masked_select(given.index_select(0, indices).lt(0));
  if (lacking.numel() > 0)
    throw DataError(
        {.where = where,
         .what = "training images have no label",
         .got = fmt::format("{} of {} without one, the first at index {}", lacking.numel(),
                            indices.numel(), lacking[0].item<int64_t>()),
         .expected = "a row for every training image",
         .hint = "Splits differ between seeds: list all images of the data set"});
  return set.labels.index_copy(0, indices, given.index_select(0, indices));
}

void save_labels(const std::filesystem::path& path, const ImageSet& set, const at::Tensor& indices,
                 const at::Tensor& labels) {
  io::CsvTable table{.header = {"image", "label"}, .rows = {}};
  const auto label = labels.accessor<int64_t, 1>();
  const auto index = indices.accessor<int64_t, 1>();
  for (int64_t i = 0; i < indices.numel(); ++i) {
    const auto image = static_cast<size_t>(index[i]);
    table.rows.push_back({set.names.empty() ? std::to_string(image) : set.names[image],
                          set.class_names[static_cast<size_t>(label[index[i]])]});
  }
  io::write_file_atomically(path, io::to_csv(table));
}

at::Tensor counted_transition(const at::Tensor& labels, const at::Tensor& shown,
                              int64_t num_classes) {
  const at::Tensor counts =
      at::bincount(labels * num_classes + shown, {}, num_classes * num_classes)
          .view({num_classes, num_classes})
          .to(at::kDouble);
  const at::Tensor sizes = counts.sum(1, /*keepdim=*/true);
  return at::where(sizes > 0, counts / sizes, at::eye(num_classes, at::kDouble));
}

void check_transition(const at::Tensor& S, int64_t num_classes, const std::string& where) {
  if (S.dim() != 2 || S.size(0) != num_classes || S.size(1) != num_classes)
    throw UsageError({.where = where,
                      .what = "the transition matrix has the wrong size",
                      .got = fmt::format("{}", fmt::join(S.sizes(), " x ")),
                      .expected = fmt::format("{0} x {0}, a row and a column a class", num_classes),
                      .hint = ""});
  const at::Tensor is_wrong =
      (S.sum(1) - 1).abs().le(kRowTolerance).logical_and(S.ge(0).all(1)).logical_not();
  const at::Tensor wrong = is_wrong.nonzero();
  if (wrong.numel() == 0) return;
  const int64_t row = wrong[0][0].item<int64_t>();
  throw UsageError({.where = where,
                    .what = fmt::format("row {} of the transition matrix is no distribution", row),
                    .got = fmt::format("sum {:.6g}, smallest entry {:.6g}",
                                       S[row].sum().item<double>(), S[row].min().item<double>()),
                    .expected = "numbers of at least 0 that sum to 1",
                    .hint = "A row holds the labels that one true class is given"});
}

void check_invertible(const at::Tensor& S, const std::string& where) {
  const at::Tensor singular_values = at::linalg_svdvals(S);  // descending
  const double largest = singular_values[0].item<double>();
  const double smallest = singular_values[-1].item<double>();
  if (largest <= kLargestCondition * smallest) return;
  throw UsageError({.where = where,
                    .what = "the transition matrix cannot be undone: some classes get their "
                            "labels in nearly the same shares",
                    .got = fmt::format("condition number {:.3g}", largest / smallest),
                    .expected = fmt::format("at most {:.0f}", kLargestCondition),
                    .hint = "Labels so wrong do not tell the classes apart"});
}

void save_transition(const std::filesystem::path& path, const at::Tensor& S,
                     const std::vector<std::string>& class_names) {
  io::CsvTable table{.header = class_names, .rows = {}};
  for (int64_t c = 0; c < S.size(0); ++c) {
    std::vector<std::string> row;
    for (int64_t j = 0; j < S.size(1); ++j)
      row.push_back(fmt::format("{}", S[c][j].item<double>()));
    table.rows.push_back(std::move(row));
  }
  io::write_file_atomically(path, io::to_csv(table));
}

at::Tensor load_transition(const std::filesystem::path& path,
                           const std::vector<std::string>& class_names) {
  const io::CsvTable table = io::read_csv(path);
  if (table.header != class_names)
    throw DataError({.where = path.string(),
                     .what = "the header does not name the classes in their order",
                     .got = fmt::format("{}", fmt::join(table.header, ", ")),
                     .expected = fmt::format("{}", fmt::join(class_names, ", ")),
                     .hint = ""});
  std::vector<std::string> rows;
  for (const auto& row : table.rows) rows.push_back(fmt::format("{}", fmt::join(row, " ")));
  return matrix_of(rows, static_cast<int64_t>(class_names.size()), path.string());
}

}  // namespace equipoise::data
