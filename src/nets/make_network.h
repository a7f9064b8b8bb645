// Builds a member of a network family from its description; shared by the three families.
#pragma once

#include <memory>
#include <string>

#include "core/error.h"
#include "nets/network.h"

namespace equipoise::nets {

/// Looks up config["type"] in the family's registry and hands the other entries to its factory.
template <class Network>
std::shared_ptr<Network> make_network(const NetworkConfig& config, const DataShape& shape,
                                      uint64_t init_seed) {
  const std::string family = Network::kFamily;
  const auto type = config.is_object() ? config.find("type") : config.end();
  if (!config.is_object() || type == config.end() || !type->is_string())
    throw UsageError({.where = family,
                      .what = "the description has no type",
                      .got = config.dump(),
                      .expected = R"({"type": name, option: value, …})",
                      .hint = ""});
  if (shape.resolution < 0 || shape.channels < 1 || shape.label_dim < 0)
    throw UsageError({.where = family,
                      .what = "impossible data shape",
                      .got = "resolution " + std::to_string(shape.resolution) + ", channels " +
                             std::to_string(shape.channels) + ", classes " +
                             std::to_string(shape.label_dim),
                      .expected = "at least one channel and no negative number",
                      .hint = ""});
  const auto& entry =
      Registry<Network, NetworkPlugin<Network>>::instance().find(type->template get<std::string>());
  nlohmann::json options = config;
  options.erase("type");
  return entry.make.make(options, shape, init_seed);
}

}  // namespace equipoise::nets
