#include "pipeline/statistics_file.h"

#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"
#include "io/json_lines.h"
#include "io/npy.h"

namespace equipoise::pipeline {
namespace fs = std::filesystem;
namespace {

at::Tensor to_bytes(const std::string& text) {
  return at::tensor(std::vector<uint8_t>(text.begin(), text.end()), at::kByte);
}

std::string to_text(const at::Tensor& bytes) {
  const at::Tensor values = bytes.to(at::kByte).contiguous();
  return {reinterpret_cast<const char*>(values.data_ptr<uint8_t>()),
          static_cast<size_t>(values.numel())};
}

void check_statistics(const FeatureStatistics& statistics, const fs::path& path) {
  const auto& [mean, covariance, num_images, recipe] = statistics;
  const bool fit = mean.dim() == 1 && covariance.dim() == 2 && mean.numel() > 0 &&
                   covariance.size(0) == mean.numel() && covariance.size(1) == mean.numel();
  if (!fit)
    throw DataError({.where = path.string(),
                     .what = "mean and covariance do not fit together",
                     .got = fmt::format("mu {}, sigma {}", describe(mean), describe(covariance)),
                     .expected = "mu [F], sigma [F, F]"});
  if (!at::isfinite(mean).all().item<bool>() || !at::isfinite(covariance).all().item<bool>())
    throw DataError({.where = path.string(), .what = "mean or covariance is not finite"});
}

}  // namespace

bool is_statistics_file(const fs::path& path) {
  if (path.extension() != ".npz" || !fs::is_regular_file(path)) return false;
  const io::NpzReader archive(path);
  return archive.contains("mu") && archive.contains("sigma");
}

FeatureStatistics read_statistics(const fs::path& path) {
  const io::NpzReader archive(path);
  FeatureStatistics statistics{.mean = archive.read("mu").to(at::kDouble),
                               .covariance = archive.read("sigma").to(at::kDouble),
                               .num_images = {},
                               .recipe = {}};
  check_statistics(statistics, path);
  if (archive.contains("num_images")) {
    const at::Tensor num_images = archive.read("num_images");
    if (num_images.numel() == 1) statistics.num_images = num_images.item().toLong();
  }
  if (archive.contains("recipe"))
    statistics.recipe = io::parse_json(to_text(archive.read("recipe")), path.string() + ": recipe");
  return statistics;
}

void save_statistics(const fs::path& path, const metrics::FeatureMoments& moments,
                     const nlohmann::json& recipe) {
  io::write_npz(path, {{"mu", moments.mean()},
                       {"sigma", moments.covariance()},
                       {"num_images", at::scalar_tensor(moments.count(), at::kLong)},
                       {"recipe", to_bytes(recipe.dump())}});
}

}  // namespace equipoise::pipeline
