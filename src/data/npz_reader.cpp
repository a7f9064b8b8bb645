// NumPy archives of sample batches, as evaluation suites exchange them: images NHWC uint8 and
// perhaps labels.
#include <fstream>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/check.h"
#include "core/error.h"
#include "data/dataset_reader.h"
#include "data/reader_steps.h"
#include "io/npy.h"

namespace equipoise::data {
namespace fs = std::filesystem;
namespace {

bool is_npz(const fs::path& path) {
  char magic[2] = {};
  if (!fs::is_regular_file(path) ||
      !std::ifstream(path, std::ios::binary).read(magic, sizeof magic))
    return false;
  return magic[0] == 'P' && magic[1] == 'K' && !io::NpzReader(path).names().empty();
}

std::optional<std::string> first_present(const io::NpzReader& archive,
                                         std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (archive.contains(name)) return name;
  return std::nullopt;
}

/// [N,H,W,C] or [N,H,W] to [N,C,H,W]; vectors [N,D] as they are.
at::Tensor to_items(at::Tensor images, const std::string& where) {
  if (images.dim() == 2 && images.scalar_type() == at::kFloat) return images.contiguous();
  if (images.dim() == 3) images = images.unsqueeze(3);
  const bool is_image_batch = images.dim() == 4 && (images.size(3) == 1 || images.size(3) == 3);
  if (images.scalar_type() != at::kByte || !is_image_batch)
    throw DataError(
        {.where = where,
         .what = "the array is not a batch of images",
         .got = describe(images),
         .expected =
             "unsigned bytes [images, height, width, 1 or 3], or float32 vectors [vectors, length]",
         .hint = ""});
  return images.permute({0, 3, 1, 2}).contiguous();
}

at::Tensor to_labels(const at::Tensor& labels, const std::string& where) {
  if (labels.dim() != 1 || !c10::isIntegralType(labels.scalar_type(), /*includeBool=*/false))
    throw DataError({.where = where,
                     .what = "the array is not a list of labels",
                     .got = describe(labels),
                     .expected = "integers [images]",
                     .hint = ""});
  return labels.to(at::kLong);
}

ImageSet read_npz_set(const DatasetSpec& spec, const ReadOptions& options) {
  check_options(spec, {});
  const io::NpzReader archive(spec.path);
  const auto images = first_present(archive, {"arr_0", "samples", "images"});
  if (!images)
    throw DataError({.where = spec.path.string(),
                     .what = "the archive has no array of images",
                     .got = fmt::format("{}", fmt::join(archive.names(), ", ")),
                     .expected = "arr_0, samples or images",
                     .hint = ""});
  ImageSet set;
  set.images = to_items(archive.read(*images), spec.path.string() + "/" + *images);
  if (const auto labels = first_present(archive, {"arr_1", "labels"}))
    set.labels = to_labels(archive.read(*labels), spec.path.string() + "/" + *labels);
  set.sha256 = fingerprint({spec.path}, spec.path.parent_path());
  finish_set(set, spec.path.string(), options);
  return set;
}

const bool registered = DatasetRegistry::instance().add(
    {.name = "npz",
     .summary = "A NumPy archive: arr_0, samples or images [N,H,W,C] uint8 (or vectors [N,D] "
                "float32), and arr_1 or labels [N].",
     .source = "https://github.com/openai/guided-diffusion, evaluations",
     .use_when = "Generated samples from other tools, for auditing."},
    {.recognises = is_npz, .read = read_npz_set});

}  // namespace
}  // namespace equipoise::data
