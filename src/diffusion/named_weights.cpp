#include "diffusion/named_weights.h"

#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"

namespace equipoise::diffusion {
namespace {

std::set<std::string> prefixes_of(const nets::NamedTensors& all, const std::string& marker) {
  std::set<std::string> prefixes;
  for (const auto& [name, tensor] : all)
    if (const size_t at = name.find(marker); at != std::string::npos)
      prefixes.insert(name.substr(0, at));
  return prefixes;
}

}  // namespace

nets::NamedTensors tensors_of_network(nets::NamedTensors all, std::string prefix,
                                      const std::string& marker, const std::string& where) {
  if (prefix.empty()) {
    const std::set<std::string> found = prefixes_of(all, marker);
    if (found.size() > 1)
      throw UsageError({.where = where,
                        .what = "several networks in this file",
                        .got = fmt::format("{}", found),
                        .expected = "one of these, named by --prefix",
                        .hint = ""});
    if (found.empty()) return {};
    prefix = *found.begin();
  }
  nets::NamedTensors result;
  for (auto& [name, tensor] : all)
    if (name.starts_with(prefix)) result[name.substr(prefix.size())] = std::move(tensor);
  return result;
}

}  // namespace equipoise::diffusion
