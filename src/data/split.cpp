#include "data/split.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "core/config.h"
#include "core/error.h"
#include "core/random.h"
#include "data/allocation.h"
#include "data/split_protocol.h"
#include "io/files.h"
#include "io/json_lines.h"

namespace equipoise::data {
namespace {

constexpr const char* kFormat = "equipoise-split/1";

using Counts = std::vector<int64_t>;

int64_t sum(const Counts& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

at::Tensor no_indices() {
  return at::empty({0}, at::kLong);
}

Counts sizes_of(const std::vector<at::Tensor>& members) {
  Counts sizes;
  for (const at::Tensor& group : members) sizes.push_back(group.numel());
  return sizes;
}

/// Share of each group in the law the reference is to follow.
std::vector<double> target_shares(const ReferenceConfig& config, const Grouping& grouping) {
  const auto num_groups = static_cast<size_t>(grouping.num_groups());
  if (config.balance == "balanced")
    return std::vector<double>(num_groups, 1.0 / static_cast<double>(num_groups));
  if (config.balance == "as-is") {
    std::vector<double> shares;
    for (const int64_t count : sizes_of(grouping.members))
      shares.push_back(static_cast<double>(count) / static_cast<double>(grouping.codes.numel()));
    return shares;
  }
  const double total = std::accumulate(config.shares.begin(), config.shares.end(), 0.0);
  if (config.shares.size() != num_groups || std::abs(total - 1) > 1e-6)
    throw UsageError({.where = "data.reference.shares",
                      .what = "the shares do not fit the groups",
                      .got = fmt::format("{} shares with sum {:.6g}", config.shares.size(), total),
                      .expected = fmt::format("{} shares with sum 1", num_groups),
                      .hint = ""});
  return config.shares;
}

/// How many images of each group go where.
struct Allotment {
  Counts reference, heldout, biased;
};

/// Works out an allotment for a reference of any size; `sizes` are the groups' images.
class Planner {
 public:
  Planner(const SplitConfig& config, const Grouping& grouping, const SplitProtocol& protocol,
          std::vector<double> target, double heldout)
      : config_(config),
        grouping_(grouping),
        protocol_(protocol),
        target_(std::move(target)),
        sizes_(sizes_of(grouping.members)) {
    for (const int64_t size : sizes_)
      heldout_.push_back(
          static_cast<int64_t>(std::floor(static_cast<double>(size) * heldout + 1e-9)));
  }

  Allotment plan(int64_t reference_size) const {
    Allotment allotment{allocate(reference_size, target_), heldout_, {}};
    Counts available;
    for (size_t k = 0; k < sizes_.size(); ++k)
      available.push_back(std::max<int64_t>(0, sizes_[k] - allotment.reference[k] - heldout_[k]));
    allotment.biased = protocol_.plan(config_, grouping_, available);
    return allotment;
  }

  /// The largest size that is at most `fraction` of the biased set beside it, which shrinks as the
  /// reference grows.
  int64_t size_for_fraction(double fraction) const {
    int64_t low = 0, high = sum(sizes_);
    while (low < high) {
      const int64_t middle = low + (high - low + 1) / 2;
      const double allowed = fraction * static_cast<double>(sum(plan(middle).biased)) + 1e-9;
      if (static_cast<double>(middle) <= allowed) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }

  /// Throws UsageError for the first group that cannot give what is asked of it, or would be empty.
  void check(const Allotment& allotment) const {
    for (size_t k = 0; k < sizes_.size(); ++k) {
      const int64_t left = sizes_[k] - allotment.reference[k] - heldout_[k];
      if (left < 0) throw too_few("reference", k, allotment.reference[k], sizes_[k] - heldout_[k]);
      if (allotment.biased[k] > left) throw too_few("biased set", k, allotment.biased[k], left);
      if (allotment.biased[k] == 0 && sizes_[k] > 0) throw empty_group("biased set", k);
      if (sum(allotment.reference) > 0 && allotment.reference[k] == 0 && target_[k] > 0)
        throw empty_group("reference", k);
    }
  }

 private:
  UsageError too_few(const std::string& which, size_t group, int64_t wanted, int64_t there) const {
    return UsageError({.where = "data.split",
                       .what = fmt::format("group '{}' has too few images for the {}",
                                           grouping_.names[group], which),
                       .got = fmt::format("{} images", there),
                       .expected = fmt::format("at least {}", wanted),
                       .hint = "Take a smaller reference or biased set"});
  }
  UsageError empty_group(const std::string& which, size_t group) const {
    return UsageError({.where = "data.split",
                       .what = fmt::format("group '{}' would have no images in the {}",
                                           grouping_.names[group], which),
                       .got = "0",
                       .expected = "at least one image of every group",
                       .hint = "Keep a larger part of the group, or take a larger reference"});
  }

  const SplitConfig& config_;
  const Grouping& grouping_;
  const SplitProtocol& protocol_;
  std::vector<double> target_;
  Counts sizes_;
  Counts heldout_;
};

int64_t whole_size(double size) {
  if (size != std::floor(size))
    throw UsageError({.where = "data.reference.size",
                      .what = "the reference's size is neither a fraction nor a number of images",
                      .got = fmt::format("{}", size),
                      .expected = "a fraction below 1, or a whole number",
                      .hint = ""});
  return static_cast<int64_t>(size);
}

at::Tensor gather_sorted(const std::vector<at::Tensor>& pieces) {
  return pieces.empty() ? no_indices() : std::get<0>(at::cat(pieces).sort());
}

/// Shuffles each group once and deals from the top: reference, held-out, biased.
void deal(const std::vector<at::Tensor>& members, const Allotment& allotment, Split& split) {
  std::vector<at::Tensor> reference, heldout, biased;
  for (size_t k = 0; k < members.size(); ++k) {
    const at::Tensor order =
        random_permutation(RandomStream(split.seed, Purpose::kSplit, k), members[k].numel());
    const at::Tensor shuffled = members[k].index_select(0, order);
    const int64_t num_reference = allotment.reference[k], num_heldout = allotment.heldout[k];
    reference.push_back(shuffled.narrow(0, 0, num_reference));
    heldout.push_back(shuffled.narrow(0, num_reference, num_heldout));
    biased.push_back(shuffled.narrow(0, num_reference + num_heldout, allotment.biased[k]));
  }
  split.reference = gather_sorted(reference);
  split.heldout = gather_sorted(heldout);
  split.biased = gather_sorted(biased);
}

/// Sorted indices; throws when one stands there twice.
at::Tensor sorted_once(const at::Tensor& indices, const std::string& where) {
  const at::Tensor sorted = std::get<0>(indices.sort());
  if (sorted.numel() < 2) return sorted;
  const at::Tensor repeated =
      sorted.slice(0, 1).masked_select(sorted.slice(0, 1).eq(sorted.slice(0, 0, -1)));
  if (repeated.numel() > 0)
    throw DataError({.where = where,
                     .what = "an image is listed twice",
                     .got = fmt::format("index {}", repeated[0].item<int64_t>()),
                     .expected = "every image once",
                     .hint = ""});
  return sorted;
}

void check_disjoint(const at::Tensor& left, const at::Tensor& right, int64_t num_images,
                    const std::string& where) {
  at::Tensor times = at::zeros({num_images}, at::kLong);
  times.index_fill_(0, left, 1);
  const at::Tensor both = right.masked_select(times.index_select(0, right).gt(0));
  if (both.numel() > 0)
    throw DataError({.where = where,
                     .what = "two lists of the split overlap",
                     .got = fmt::format("index {} in both", both.min().item<int64_t>()),
                     .expected = "every image in one of them at most",
                     .hint = ""});
}

/// The members of each group that are in none of `taken`.
std::vector<at::Tensor> members_outside(const Grouping& grouping,
                                        const std::vector<at::Tensor>& taken) {
  at::Tensor is_free = at::ones(grouping.codes.sizes(), at::kBool);
  for (const at::Tensor& indices : taken) is_free.index_fill_(0, indices, false);
  std::vector<at::Tensor> members;
  for (const at::Tensor& group : grouping.members)
    members.push_back(group.masked_select(is_free.index_select(0, group)));
  return members;
}

/// A protocol without a plan: the biased images, and perhaps the reference, are given; the rest is
/// drawn around them.
Counts take_nothing(const SplitConfig&, const Grouping&, const Counts& available) {
  return Counts(available.size(), 0);
}

void check_draw_around_lists(const Grouping& free, const Allotment& allotment) {
  for (size_t k = 0; k < free.members.size(); ++k) {
    const int64_t wanted = allotment.reference[k] + allotment.heldout[k];
    if (wanted > free.members[k].numel())
      throw UsageError(
          {.where = "data.split",
           .what =
               fmt::format("group '{}' has too few images outside the given lists", free.names[k]),
           .got = std::to_string(free.members[k].numel()),
           .expected = fmt::format("at least {} for reference and held-out images", wanted),
           .hint = "Take a smaller reference"});
  }
}

void split_by_lists(const SplitConfig& config, const ReferenceConfig& reference, double heldout,
                    const ImageSet& set, const SplitProtocol& protocol, const Grouping& grouping,
                    Split& split) {
  const SplitProtocol::Lists lists = protocol.lists(config, set);
  const at::Tensor biased = sorted_once(lists.biased, config.biased_file);
  const bool is_reference_given = lists.reference.defined();
  const at::Tensor given =
      is_reference_given ? sorted_once(lists.reference, config.reference_file) : no_indices();
  check_disjoint(biased, given, set.size(), config.reference_file);
  Grouping free = grouping;
  free.members = members_outside(grouping, {biased, given});
  const auto num_biased = static_cast<double>(biased.numel());
  const int64_t size = is_reference_given ? 0
                       : reference.size < 1
                           ? static_cast<int64_t>(std::floor(reference.size * num_biased + 1e-9))
                           : whole_size(reference.size);
  const SplitProtocol nothing_more{.plan = take_nothing, .lists = nullptr};
  const Allotment allotment = Planner(config, free, nothing_more, split.target, heldout).plan(size);
  check_draw_around_lists(free, allotment);
  deal(free.members, allotment, split);
  split.biased = biased;
  if (!is_reference_given) return;
  split.reference = given;
  const Counts counts = grouping.count(given);
  for (size_t k = 0; k < counts.size(); ++k)
    split.target[k] = static_cast<double>(counts[k]) / static_cast<double>(given.numel());
}

void split_by_plan(const SplitConfig& config, const ReferenceConfig& reference, double heldout,
                   const SplitProtocol& protocol, const Grouping& grouping, Split& split) {
  const Planner planner(config, grouping, protocol, split.target, heldout);
  const Allotment allotment = planner.plan(
      reference.size < 1 ? planner.size_for_fraction(reference.size) : whole_size(reference.size));
  planner.check(allotment);
  deal(grouping.members, allotment, split);
}

}  // namespace

Split make_split(const ImageSet& set, const SplitConfig& config, const ReferenceConfig& reference,
                 double heldout, uint64_t seed) {
  const SplitProtocol& protocol = SplitProtocolRegistry::instance().find(config.protocol).make;
  const Grouping grouping = group_images(set, config.attributes);
  Split split;
  split.protocol = config.protocol;
  split.seed = seed;
  split.source = set.source;
  split.sha256 = set.sha256;
  split.num_images = set.size();
  split.attributes = config.attributes;
  split.groups = grouping.names;
  split.target = target_shares(reference, grouping);
  split.config = {
      {"split", to_json(config)}, {"reference", to_json(reference)}, {"heldout", heldout}};
  if (protocol.lists) {
    split_by_lists(config, reference, heldout, set, protocol, grouping, split);
  } else {
    split_by_plan(config, reference, heldout, protocol, grouping, split);
  }
  return split;
}

namespace {

std::vector<int64_t> to_vector(const at::Tensor& indices) {
  return {indices.data_ptr<int64_t>(), indices.data_ptr<int64_t>() + indices.numel()};
}

at::Tensor read_indices(const nlohmann::json& manifest, const char* key, int64_t num_images,
                        const std::string& where) {
  const at::Tensor indices =
      sorted_once(at::tensor(manifest.at(key).get<std::vector<int64_t>>(), at::kLong), where);
  const bool is_inside = indices.numel() == 0 || (indices[0].item<int64_t>() >= 0 &&
                                                  indices[-1].item<int64_t>() < num_images);
  if (!is_inside)
    throw DataError(
        {.where = where,
         .what = fmt::format("'{}' holds an index outside the data", key),
         .got = fmt::format("{} to {}", indices[0].item<int64_t>(), indices[-1].item<int64_t>()),
         .expected = fmt::format("0 to {}", num_images - 1),
         .hint = ""});
  return indices;
}

void check_made_from(const ImageSet& set, const Split& split, const std::string& where) {
  if (split.sha256 != set.sha256 || split.num_images != set.size())
    throw DataError(
        {.where = where,
         .what = "the split was made from other data",
         .got = fmt::format("{} with {} images, SHA-256 {}", set.source, set.size(), set.sha256),
         .expected = fmt::format("{} with {} images, SHA-256 {}", split.source, split.num_images,
                                 split.sha256),
         .hint = "Use the data it was made from, or make a new split"});
}

Split parse_split(const nlohmann::json& manifest, const ImageSet& set, const std::string& where) {
  Split split;
  split.protocol = manifest.at("protocol").get<std::string>();
  split.seed = manifest.at("seed").get<uint64_t>();
  split.source = manifest.at("source").get<std::string>();
  split.sha256 = manifest.at("sha256").get<std::string>();
  split.num_images = manifest.at("num_images").get<int64_t>();
  split.attributes = manifest.at("attributes").get<std::vector<std::string>>();
  split.groups = manifest.at("groups").get<std::vector<std::string>>();
  split.target = manifest.at("target").get<std::vector<double>>();
  split.config = manifest.at("config");
  check_made_from(set, split, where);
  split.biased = read_indices(manifest, "biased", set.size(), where);
  split.reference = read_indices(manifest, "reference", set.size(), where);
  split.heldout = read_indices(manifest, "heldout", set.size(), where);
  check_disjoint(split.biased, split.reference, set.size(), where);
  check_disjoint(split.biased, split.heldout, set.size(), where);
  check_disjoint(split.reference, split.heldout, set.size(), where);
  return split;
}

}  // namespace

nlohmann::ordered_json Split::to_json() const {
  return {{"format", kFormat},
          {"protocol", protocol},
          {"seed", seed},
          {"source", source},
          {"sha256", sha256},
          {"num_images", num_images},
          {"attributes", attributes},
          {"groups", groups},
          {"target", target},
          {"config", config},
          {"biased", to_vector(biased)},
          {"reference", to_vector(reference)},
          {"heldout", to_vector(heldout)}};
}

void save_split(const Split& split, const std::filesystem::path& path) {
  io::write_file_atomically(path, split.to_json().dump() + "\n");
}

Split load_split(const std::filesystem::path& path, const ImageSet& set) {
  const std::string where = path.string();
  const nlohmann::json manifest = io::read_json(path);
  if (!manifest.is_object() || manifest.value("format", "") != kFormat)
    throw DataError({.where = where,
                     .what = "this is no split manifest",
                     .got = "",
                     .expected = fmt::format("\"format\": \"{}\"", kFormat),
                     .hint = ""});
  try {
    return parse_split(manifest, set, where);
  } catch (const nlohmann::json::exception& error) {
    throw DataError({.where = where,
                     .what = "the split manifest is damaged",
                     .got = error.what(),
                     .expected = "all keys that equipoise data split writes, each of its type",
                     .hint = ""});
  }
}

}  // namespace equipoise::data
