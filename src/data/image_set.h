// An image set in memory: pixels as they are on disk, labels, attributes, and where it came from.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <torch/types.h>

namespace equipoise::data {

/// One categorical attribute of every image ("gender", "race", or the class itself).
struct Attribute {
  std::vector<std::string> values;  ///< names of the codes
  at::Tensor codes;                 ///< [N] int64 in 0 … values.size()-1
};

/// Images as networks see them: bytes as float32 in [-1, 1], x / 127.5 - 1; floats unchanged.
at::Tensor normalised(const at::Tensor& images);

/// Images with labels. Pixels stay uint8 and are normalised where they are used; toy laws hold
/// float32 vectors instead.
struct ImageSet {
  /// [N,C,H,W] uint8, or [N,D] float32 for vectors; may be a view of a memory-mapped file.
  at::Tensor images;
  at::Tensor labels;                            ///< [N] int64, or undefined when the set has none
  std::vector<std::string> class_names;         ///< one per label value; empty without labels
  std::map<std::string, Attribute> attributes;  ///< further columns
  std::vector<std::string> names;  ///< file names where the format has them; else empty
  std::string source;              ///< what the user named
  std::string sha256;  ///< of the source's bytes (a folder: of its sorted names and contents)
  std::shared_ptr<void> keep_alive;  ///< owner of mapped memory

  int64_t size() const { return images.size(0); }
  bool is_vectors() const { return images.dim() == 2; }
  bool has_labels() const { return labels.defined(); }
  /// Images at `indices` ([B] int64, CPU), normalised: [B,C,H,W] or [B,D].
  /// Throws UsageError for an index that is not in the set.
  at::Tensor normalised(const at::Tensor& indices) const;
  /// The codes and value names of attribute `name`; "class" means the labels. Throws UsageError
  /// listing the known ones.
  Attribute attribute(const std::string& name) const;
  /// The images at `indices` with all that is known of them; class names, source and hash stay
  /// those of this set.
  /// Throws UsageError for an index that is not in the set.
  ImageSet select(const at::Tensor& indices) const;
};

}  // namespace equipoise::data
