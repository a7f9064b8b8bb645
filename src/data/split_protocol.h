// Ways to bias a set, one file each, registered by name.
//
//   none       the biased set is everything that is left after reference and held-out images
//   long-tail  group k keeps floor(n_max r^(-k/(K-1))) images
//   minority   named groups are cut to a fraction
//   attribute  named groups make up a given share
//   file       the lists are given
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <torch/types.h>

#include "core/registry.h"
#include "data/data_config.h"
#include "data/groups.h"

namespace equipoise::data {

/// Exactly one of the two functions is set.
struct SplitProtocol {
  static constexpr const char* kFamily = "split protocol";
  /// How many images of each group the biased set takes, given how many are available; which ones
  /// is drawn afterwards.
  /// May ask for more than are available: then the split is refused. Must not ask for more when
  /// fewer are available.
  std::function<std::vector<int64_t>(const SplitConfig&, const Grouping&,
                                     const std::vector<int64_t>& available)>
      plan;
  /// Indices given by the user; an undefined reference is drawn from the images that are not
  /// biased.
  struct Lists {
    at::Tensor biased;
    at::Tensor reference;
  };
  std::function<Lists(const SplitConfig&, const ImageSet&)> lists;
};
using SplitProtocolRegistry = Registry<SplitProtocol, SplitProtocol>;

/// Positions of the groups named by `config.classes`.
/// Throws UsageError when none is named, or one does not exist (with the nearest name).
std::vector<int64_t> named_groups(const SplitConfig& config, const Grouping& grouping);

}  // namespace equipoise::data
