#include "guidance/term.h"

#include "core/error.h"
#include "core/named_options.h"

namespace equipoise::guidance {

std::filesystem::path network_file(const std::string& given, const TermContext& context,
                                   const std::string& suffix) {
  if (!given.empty()) return given;
  std::filesystem::path beside = context.model;
  beside.replace_extension("." + suffix + ".safetensors");
  if (std::filesystem::exists(beside)) return beside;
  throw UsageError({.where = "guidance " + suffix,
                    .what = "its network was not found",
                    .got = "no file " + beside.string(),
                    .expected = "a file there, or model=FILE",
                    .hint = suffix == "minority" ? "Make one with 'equipoise minority train'"
                                                 : "Make one with 'equipoise guide'"});
}

std::vector<std::shared_ptr<const diffusion::Guidance>> make_terms(const nlohmann::json& terms,
                                                                   const TermContext& context) {
  std::vector<std::shared_ptr<const diffusion::Guidance>> made;
  for (const nlohmann::json& term : terms)
    made.push_back(
        TermRegistry::instance().find(term.at("type")).make.make(options_of(term), context));
  return made;
}

}  // namespace equipoise::guidance
