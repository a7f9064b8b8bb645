// Labels made wrong on purpose, and the matrix that says how labels go wrong:
//
//   S[c][j] = p(label j is shown | class c is true)      rows sum to 1
//
//   symmetric    1 - rate on the diagonal, rate / (K - 1) everywhere else
//   asymmetric   1 - rate on the diagonal of the mapped classes, rate at the class they turn into;
//                1 on the diagonal of the others
//   matrix       any
//   labels       as counted in labels that others gave the images
//
// Symmetric noise hides every mix-up of rows and columns (S = S^T); test methods with the others.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <torch/types.h>

#include "data/data_config.h"
#include "data/image_set.h"

namespace equipoise::data {

/// S [K,K] float64. Source: Na et al. 2024 (ICLR, "Label-Noise Robust Diffusion Models").
at::Tensor symmetric_noise(int64_t num_classes, double rate);
/// The same where class c turns into turns_into[c]; turns_into[c] = c leaves c alone.
at::Tensor asymmetric_noise(const std::vector<int64_t>& turns_into, double rate);
/// The published maps: "mnist" (2->7, 3->8, 5->6, 6->5) and "cifar10" (truck->automobile,
/// bird->airplane, deer->horse, cat->dog, dog->cat). Throws UsageError for other names.
std::vector<int64_t> published_map(const std::string& name);
/// Each class turns into the next one, in order of class numbers and cyclically, of those in the
/// same ring: CIFAR-100's super-classes. classes, rings: [N] int64, of the same images.
/// Throws UsageError when the images of one class lie in several rings.
std::vector<int64_t> ring_map(const at::Tensor& classes, const at::Tensor& rings,
                              int64_t num_classes);

/// S of a config, for the classes of `set`; the identity for kind "none", and not for "labels", whose
/// S is counted.
/// Throws UsageError for names that are no classes, and matrices that check_transition refuses;
/// DataError for a damaged file.
at::Tensor noise_matrix(const LabelNoiseConfig& config, const ImageSet& set);

/// Labels [N] of a whole set with those at `indices` drawn anew from the rows of S.
///
/// draw "independent": label i by inversion of one uniform. "exact": every class among `indices` is
/// dealt out in the shares of its row, the largest remainders first.
/// Random: kLabelNoise; "independent": stream of the image's index alone, so that a label does not
/// depend on the split; "exact": one permutation a class (part 1).
at::Tensor noisy_labels(const at::Tensor& labels, const at::Tensor& indices, const at::Tensor& S,
                        const std::string& draw, uint64_t seed);

/// Labels given by others: column `label` (a class name) of every image that column `image` names, as
/// CSV. Returns labels [N] of the whole set, true ones outside `indices`.
/// Throws DataError for a damaged file, images that are named twice, and images at `indices` that
/// are not named; UsageError for names that are no classes.
at::Tensor read_labels(const std::filesystem::path& path, const ImageSet& set,
                       const at::Tensor& indices);
/// The same file from labels [N] of the whole set, a row an image at `indices`.
void save_labels(const std::filesystem::path& path, const ImageSet& set, const at::Tensor& indices,
                 const at::Tensor& labels);
/// S as counted: row c holds the shares of the labels shown to images of class c. labels, shown [n];
/// the row of a class without images is one-hot.
at::Tensor counted_transition(const at::Tensor& labels, const at::Tensor& shown,
                              int64_t num_classes);

/// Throws UsageError naming `where` unless S is [num_classes,num_classes], without negative or
/// infinite entries, and its rows sum to 1 within 1e-6.
void check_transition(const at::Tensor& S, int64_t num_classes, const std::string& where);
/// Throws UsageError unless the condition number of S is at most 1e4: beyond, shown labels say
/// next to nothing of some difference between classes. Symmetric noise is singular at the rate
/// (K - 1) / K.
void check_invertible(const at::Tensor& S, const std::string& where);

/// A matrix as CSV: a header of class names (the labels shown), one row a true class, in order.
void save_transition(const std::filesystem::path& path, const at::Tensor& S,
                     const std::vector<std::string>& class_names);
/// Throws DataError when the file is damaged or its header names other classes; as check_transition.
at::Tensor load_transition(const std::filesystem::path& path,
                           const std::vector<std::string>& class_names);

}  // namespace equipoise::data
