// No bias added: the data are biased enough as they are.
#include "data/split_protocol.h"

namespace equipoise::data {
namespace {

std::vector<int64_t> take_all(const SplitConfig&, const Grouping&,
                              const std::vector<int64_t>& available) {
  return available;
}

const bool registered = SplitProtocolRegistry::instance().add(
    {.name = "none",
     .summary = "The biased set is everything that is left after reference and held-out images.",
     .source = "ours",
     .use_when = "The data are biased already (CelebA, FairFace as collected)."},
    {.plan = take_all, .lists = nullptr});

}  // namespace
}  // namespace equipoise::data
