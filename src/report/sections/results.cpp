#include <set>

#include "report/number_text.h"
#include "report/result_tables.h"
#include "report/sections.h"

namespace equipoise::report {
namespace {

Html definition(const std::string& term, const std::string& meaning) {
  Html html = element("dt", {}, term);
  return html += element("dd", {}, meaning);
}

Html explanations() {
  Html list = definition(
      "Total variation",
      "Half the sum of |share − target| over the classes: 0 = on target, 1 = as far as can be. "
      "Corrected for the classifier's errors where that was measured.");
  list += definition("Fréchet distance",
                     "Between Gaussians fitted to the named network's features of samples and of "
                     "evaluation images. "
                     "Comparable only under the same recipe; it is not FID unless it says so.");
  list += definition(
      "Coverage",
      "Share of evaluation images that have a sample in their neighbourhood. Higher is better.");
  list += definition("Nearest-reference ratio",
                     "Median distance of samples to the nearest reference image, over that of "
                     "held-out real images. "
                     "Well below 1 means that images are being copied.");
  list += definition("Unusually near",
                     "Share of samples nearer to a reference image than 95 % of held-out real "
                     "images are: about 5 % "
                     "for samples that are as new as those.");
  list += definition("Real images",
                     "What as many real images of the target's own law score, as far as it was "
                     "measured: no method can "
                     "be expected to do better.");
  return element("dl", {{"class", "explanations"}}, list);
}

/// Warnings and recipes, each once, naming no method when all share it.
Html notes(const Json& results) {
  std::set<std::string> seen;
  Html items;
  const auto add = [&](const std::string& text) {
    if (!text.empty() && seen.insert(text).second) items += element("li", {}, text);
  };
  for (const Json& method : list_at(results, "/methods")) {
    for (const Json& warning : list_at(method, "/frechet/warnings")) add(text_at(warning, ""));
    const std::string recipe = properties_text(value_at(method, "/frechet/recipe"));
    if (!recipe.empty()) add("Recipe of the Fréchet distance: " + recipe);
    for (const Json& skipped : list_at(method, "/skipped"))
      add(text_at(skipped, "/metric") + " was not measured: " + text_at(skipped, "/missing") + ".");
  }
  return items.empty() ? Html() : element("ul", {{"class", "note"}}, items);
}

}  // namespace

Section results_section(const Json& results) {
  Section section = {"results", "Results", {}};
  if (list_at(results, "/methods").empty()) return section;
  section.body += to_html(methods_table(results));
  section.body += explanations();
  section.body += notes(results);
  section.body += to_html(costs_table(results));
  return section;
}

}  // namespace equipoise::report
