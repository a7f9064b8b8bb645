#include <fmt/format.h>

#include "report/figure.h"
#include "report/number_text.h"
#include "report/result_tables.h"
#include "report/sections.h"

namespace equipoise::report {
namespace {

struct Severity {
  const char* css_class;
  const char* word;
};

Severity severity_of(const Finding& finding) {
  if (finding.severity == "high") return {"high", "Serious"};
  if (finding.severity == "medium") return {"medium", "Worth knowing"};
  return {"info", "For information"};
}

Html finding_html(const Finding& finding) {
  const Severity severity = severity_of(finding);
  Html head = element("span", {{"class", "severity"}}, severity.word);
  head += element("strong", {}, finding.subject);
  Html content = element("p", {{"class", "finding-head"}}, head);
  content += element("p", {}, finding.text);
  if (!finding.limits.empty())
    content += element("p", {{"class", "limits"}}, "Limits: " + finding.limits);
  return element("li", {{"class", std::string("finding ") + severity.css_class}}, content);
}

std::string alt_text(const std::string& what, const std::vector<MethodEstimate>& estimates) {
  std::string text = what + ":";
  for (const MethodEstimate& row : estimates)
    text += fmt::format(" {} {};", row.method, estimate_text(row.estimate));
  return text;
}

/// Where each method stands, at a glance.
Figure overview_figure(const Json& results) {
  std::vector<MethodEstimate> variations, distances;
  std::optional<double> variation_floor, distance_floor;
  const std::vector<Json> methods = list_at(results, "/methods");
  for (size_t i = 0; i < methods.size(); ++i) {
    const int hue = static_cast<int>(i);
    if (const auto estimate = total_variation_of(methods[i]))
      variations.push_back({method_title(methods[i]), hue, *estimate});
    if (const auto estimate = estimate_at(methods[i], "/frechet"))
      distances.push_back({method_title(methods[i]), hue, *estimate});
    if (!variation_floor) variation_floor = total_variation_floor(methods[i]);
    if (!distance_floor) distance_floor = number_at(methods[i], "/frechet/floor/value");
  }
  Figure figure = {
      .title = "Where each method stands",
      .caption =
          "Lower is better in both. Lines are intervals. Left of the dashed line a total variation "
          "cannot be told from the target's own, and a Fréchet distance is what real images score.",
      .panels = {},
      .data = {.caption = "Total variation and Fréchet distance by method",
               .columns = {{"Method"}, {"Total variation", true}, {"Fréchet distance", true}},
               .rows = {}}};
  if (!variations.empty())
    figure.panels.push_back(
        {"Total variation of class shares to the target", alt_text("Total variation", variations),
         estimates_chart(variations,
                         {.title = "total variation", .format = ".2f", .from_zero = true},
                         variation_floor)});
  if (!distances.empty())
    figure.panels.push_back(
        {"Fréchet distance to the evaluation images", alt_text("Fréchet distance", distances),
         estimates_chart(distances,
                         {.title = "Fréchet distance", .format = "~g", .from_zero = true},
                         distance_floor)});
  for (size_t i = 0; i < methods.size(); ++i)
    figure.data.rows.push_back(
        {.cells = {method_title(methods[i]), estimate_text(total_variation_of(methods[i])),
                   estimate_text(estimate_at(methods[i], "/frechet"))},
         .hue = static_cast<int>(i)});
  return figure;
}

}  // namespace

Html findings_html(const std::vector<Finding>& findings) {
  Html items;
  for (const Finding& finding : findings) items += finding_html(finding);
  return items.empty() ? element("p", {}, "No findings were recorded.")
                       : element("ol", {{"class", "findings"}}, items);
}

Section findings_section(const Json& results) {
  Section section = {"findings", "What was found", findings_html(sorted_findings(results))};
  const Figure overview = overview_figure(results);
  if (!overview.panels.empty()) section.body += to_html(overview);
  return section;
}

}  // namespace equipoise::report
