#include "nets/state.h"

#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/check.h"
#include "core/error.h"

namespace equipoise::nets {
namespace {

// "missing a, b, c and 12 more"; empty when there is nothing to say.
std::string first_few(const std::string& what, const std::vector<std::string>& names) {
  constexpr size_t kShown = 3;
  if (names.empty()) return "";
  const std::vector<std::string> shown(names.begin(),
                                       names.begin() + std::min(kShown, names.size()));
  const std::string rest =
      names.size() > kShown ? fmt::format(" and {} more", names.size() - kShown) : "";
  return fmt::format("{} {}{}", what, fmt::join(shown, ", "), rest);
}

struct Mismatch {
  std::vector<std::string> missing, unexpected, misshapen;

  bool any() const { return !missing.empty() || !unexpected.empty() || !misshapen.empty(); }
  std::string text() const {
    std::vector<std::string> parts;
    for (const std::string& part :
         {first_few("missing", missing), first_few("unexpected", unexpected),
          first_few("of another shape", misshapen)})
      if (!part.empty()) parts.push_back(part);
    return fmt::format("{}", fmt::join(parts, "; "));
  }
};

Mismatch compare(const NamedTensors& own, const NamedTensors& given) {
  Mismatch mismatch;
  for (const auto& [name, tensor] : own) {
    const auto it = given.find(name);
    if (it == given.end())
      mismatch.missing.push_back(name);
    else if (it->second.sizes() != tensor.sizes())
      mismatch.misshapen.push_back(fmt::format("{} ({} instead of {})", name,
                                               fmt::join(it->second.sizes(), "x"),
                                               fmt::join(tensor.sizes(), "x")));
  }
  for (const auto& [name, tensor] : given)
    if (own.count(name) == 0) mismatch.unexpected.push_back(name);
  return mismatch;
}

}  // namespace

NamedTensors state_of(const torch::nn::Module& module) {
  NamedTensors state;
  for (const auto& item : module.named_parameters()) state[item.key()] = item.value().detach();
  for (const auto& item : module.named_buffers()) state[item.key()] = item.value().detach();
  return state;
}

void load_state(torch::nn::Module& module, const NamedTensors& tensors, const std::string& where) {
  NamedTensors own = state_of(module);
  const Mismatch mismatch = compare(own, tensors);
  if (mismatch.any())
    throw DataError({.where = where,
                     .what = "the tensors do not belong to this network",
                     .got = mismatch.text(),
                     .expected = fmt::format("its {} tensors", own.size()),
                     .hint = ""});
  for (auto& [name, tensor] : own) tensor.copy_(tensors.at(name));
}

int64_t num_parameters(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const at::Tensor& parameter : module.parameters()) count += parameter.numel();
  return count;
}

}  // namespace equipoise::nets
