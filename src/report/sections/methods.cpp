#include <algorithm>

#include "report/number_text.h"
#include "report/sections.h"
#include "report/table.h"

namespace equipoise::report {
namespace {

Html method_html(const Json& method, int hue) {
  const std::string summary = text_at(method, "/summary"), formula = text_at(method, "/formula");
  Html name = colour_key(hue);
  name += method_title(method);
  Html content = element("dt", {}, name);
  Html description;
  if (!summary.empty()) description += element("p", {}, summary);
  if (!formula.empty()) description += element("p", {{"class", "formula"}}, formula);
  const std::string options = properties_text(value_at(method, "/options"));
  if (!options.empty()) description += element("p", {{"class", "note"}}, "Options: " + options);
  if (summary.empty())
    description += element("p", {}, "Objective: " + text_at(method, "/objective"));
  return content += element("dd", {}, description);
}

std::string overview_text(const Json& results, size_t num_methods) {
  std::string text = num_methods == 1 ? "One model was trained"
                                      : std::to_string(num_methods) + " models were trained";
  const std::string source = text_at(results, "/data/source");
  if (!source.empty()) text += " on " + source;
  const std::string protocol = text_at(results, "/data/split/protocol");
  if (!protocol.empty()) text += ", made biased by the protocol “" + protocol + "”";
  text +=
      ". They differ only in what they minimise: D is the denoiser, x = x₀ + σn a noised image, λ "
      "the noise "
      "level's usual weight, and d the discriminator's probability that an image came from the "
      "reference set.";
  return text;
}

}  // namespace

Section methods_section(const Json& results) {
  Section section = {"methods", "What was done", {}};
  const std::vector<Json> methods = list_at(results, "/methods");
  if (methods.empty()) return section;
  const auto num_models = std::ranges::count_if(
      methods, [](const Json& method) { return value_at(method, "/of").is_null(); });
  section.body += element("p", {}, overview_text(results, static_cast<size_t>(num_models)));
  Html list;
  for (size_t i = 0; i < methods.size(); ++i) list += method_html(methods[i], static_cast<int>(i));
  section.body += element("dl", {{"class", "methods"}}, list);
  return section;
}

}  // namespace equipoise::report
