// What conditional models answered when they were asked, model by model.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "report/confusion.h"
#include "report/number_text.h"
#include "report/sections.h"

namespace equipoise::report {
namespace {

std::string facts_text(const Json& audit) {
  std::string prompts;
  for (const Json& prompt : list_at(audit, "/prompts"))
    prompts += fmt::format("{}“{}” for {}", prompts.empty() ? "" : ", ", text_at(prompt, "/prompt"),
                           text_at(prompt, "/value"));
  return fmt::format("{} images of known {}, shown noisy to the model; prompts: {}; neutral: “{}”.",
                     count_text(number_at(audit, "/num_images")), text_at(audit, "/attribute"),
                     prompts, text_at(audit, "/neutral"));
}

Table numbers_table(const std::string& method, const Json& found) {
  Table table = {.caption = "What " + method + " found",
                 .columns = {{"Number"}, {"Value", true}, {"What it does not say"}},
                 .rows = {}};
  for (const Json& number : list_at(found, "/numbers"))
    table.rows.push_back(
        {.cells = {text_at(number, "/name"), estimate_text(estimate_at(number, "")),
                   text_at(number, "/not_said")}});
  return table;
}

/// How the numbers were made, each way once.
std::string recipes_text(const Json& found) {
  std::vector<std::string> recipes;
  for (const Json& number : list_at(found, "/numbers"))
    if (const std::string recipe = text_at(number, "/recipe");
        !recipe.empty() && std::ranges::find(recipes, recipe) == recipes.end())
      recipes.push_back(recipe);
  return recipes.empty() ? "" : fmt::format("Made from {}.", fmt::join(recipes, "; "));
}

Html method_html(const std::string& method, const Json& found,
                 const std::vector<std::string>& values) {
  Html html = element("h4", {}, method);
  if (const auto passes = number_at(found, "/forward_passes"))
    html +=
        element("p", {}, count_text(passes) + " forward passes an image. " + recipes_text(found));
  const Table numbers = numbers_table(method, found);
  const Json& confusion = value_at(found, "/confusion");
  if (!confusion.is_array()) {
    html += to_html(numbers);
    return html;
  }
  html += to_html(Figure{
      .title = "Images by true value and by the model's own answer",
      .caption = "Rows are true values; each sums to 100 %.",
      .panels = {confusion_panel("", "Confusion matrix of " + method, confusion, values, "answer")},
      .data = numbers,
      .arrangement = Arrangement::kOne});
  return html;
}

Html audit_html(const Json& audit) {
  std::vector<std::string> values;
  for (const Json& prompt : list_at(audit, "/prompts")) values.push_back(text_at(prompt, "/value"));
  Html html = element("p", {}, facts_text(audit));
  const Json& methods = value_at(audit, "/methods");
  for (const auto& [name, found] : methods.items()) html += method_html(name, found, values);
  for (const Json& left_out : list_at(audit, "/not_run"))
    html += element("p", {},
                    fmt::format("{} was not run: it needs {}.", text_at(left_out, "/method"),
                                text_at(left_out, "/missing")));
  return html;
}

}  // namespace

Section audit_section(const Json& results) {
  Section section = {"audit", "Audit", {}};
  for (const Json& method : list_at(results, "/methods")) {
    const Json& audit = value_at(method, "/audit");
    if (!audit.is_object()) continue;
    section.body += element("h3", {}, method_title(method));
    section.body += audit_html(audit);
  }
  return section;
}

}  // namespace equipoise::report
