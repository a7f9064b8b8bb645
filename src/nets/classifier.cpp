#include "nets/classifier.h"

#include "nets/make_network.h"

namespace equipoise::nets {

std::shared_ptr<ClassifierNetwork> make_classifier_network(const NetworkConfig& config,
                                                           const DataShape& shape,
                                                           uint64_t init_seed) {
  if (shape.label_dim < 2)
    throw UsageError({.where = "classifier network",
                      .what = "nothing to tell apart",
                      .got = std::to_string(shape.label_dim) + " classes",
                      .expected = "at least 2",
                      .hint = ""});
  return make_network<ClassifierNetwork>(config, shape, init_seed);
}

}  // namespace equipoise::nets
