// Laws known in closed form, drawn on the spot.
#include <charconv>

#include <fmt/format.h>

#include "core/error.h"
#include "core/random.h"
#include "core/spelling.h"
#include "data/dataset_reader.h"
#include "data/reader_steps.h"
#include "io/hash.h"

namespace equipoise::data {
namespace {

int64_t count_option(const DatasetSpec& spec, const std::string& key, int64_t fallback,
                     int64_t least) {
  const auto it = spec.options.find(key);
  if (it == spec.options.end()) return fallback;
  int64_t value = 0;
  const char* end = it->second.data() + it->second.size();
  const auto result = std::from_chars(it->second.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end || value < least)
    throw UsageError({.where = spec.text,
                      .what = fmt::format("'{}' is out of range", key),
                      .got = it->second,
                      .expected = fmt::format("a whole number, at least {}", least),
                      .hint = ""});
  return value;
}

/// 1/2 N((-2,-2), I) + 1/2 N((2,2), I): point i is of mode i mod 2, its noise from stream (seed,
/// kToyData, i).
ImageSet two_gaussians(int64_t num_points, uint64_t seed) {
  const at::Tensor numbers = at::arange(num_points, at::kLong);
  ImageSet set;
  set.labels = numbers.remainder(2);
  const at::Tensor mean = set.labels.to(at::kFloat).mul(4).sub(2).unsqueeze(1);
  set.images = random_normal(seed, Purpose::kToyData, numbers, {2}).add_(mean);
  set.class_names = {"lower-left", "upper-right"};
  return set;
}

ImageSet read_toy(const DatasetSpec& spec, const ReadOptions& options) {
  check_options(spec, {"num", "seed"});
  if (const std::string law = spec.path.string(); law != "two-gaussians")
    throw unknown_name("toy law", law, {"two-gaussians"});
  ImageSet set = two_gaussians(count_option(spec, "num", 2000, 2),
                               static_cast<uint64_t>(count_option(spec, "seed", 0, 0)));
  set.sha256 = io::sha256_hex(
      {reinterpret_cast<const char*>(set.images.data_ptr<float>()), set.images.nbytes()});
  finish_set(set, spec.text, options);
  return set;
}

const bool registered = DatasetRegistry::instance().add(
    {.name = "toy",
     .summary = "Points of a known law: toy:two-gaussians?num=2000&seed=0.",
     .source =
         "The 2-D example of Kim et al. 2024 (arXiv:2403.01189); the biased law is a split of it",
     .use_when = "Checking a method against exact density ratios, in seconds."},
    {.recognises = nullptr, .read = read_toy});

}  // namespace
}  // namespace equipoise::data
