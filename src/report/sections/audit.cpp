// What conditional models answered when they were asked, model by model.
#include <algorithm>

#include <fmt/format.h>

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

/// What the recipes of all numbers begin with, up to a comma.
std::string shared_recipe(const std::vector<Json>& numbers) {
  std::string shared = numbers.empty() ? "" : text_at(numbers.front(), "/recipe");
  for (const Json& number : numbers) {
    const std::string recipe = text_at(number, "/recipe");
    if (recipe == shared || recipe.starts_with(shared + ", ")) continue;
    const auto [differs, _] = std::ranges::mismatch(shared, recipe);
    const size_t comma = shared.rfind(", ", static_cast<size_t>(differs - shared.begin()));
    shared.resize(comma == std::string::npos ? 0 : comma);
  }
  return shared;
}

Table numbers_table(const std::string& method, const std::vector<Json>& numbers,
                    const std::string& shared) {
  const auto own_recipe = [&](const Json& number) {
    const std::string own = text_at(number, "/recipe").substr(shared.size());
    return own.starts_with(", ") ? own.substr(2) : own;
  };
  const bool is_told =
      std::ranges::any_of(numbers, [&](const Json& number) { return !own_recipe(number).empty(); });
  Table table = {.caption = "What " + method + " found",
                 .columns = {{"Number"}, {"Value", true}, {"What it does not say"}},
                 .rows = {}};
  if (is_told) table.columns.push_back({"How it was made"});
  for (const Json& number : numbers) {
    Row row = {.cells = {text_at(number, "/name"), estimate_text(estimate_at(number, "")),
                         text_at(number, "/not_said")}};
    if (is_told) row.cells.push_back(own_recipe(number));
    table.rows.push_back(row);
  }
  return table;
}

Html method_html(const std::string& method, const Json& found,
                 const std::vector<std::string>& values) {
  Html html = element("h4", {}, method);
  const std::vector<Json> found_numbers = list_at(found, "/numbers");
  const std::string shared = shared_recipe(found_numbers);
  if (!shared.empty()) html += element("p", {}, "Made from " + shared + ".");
  const Table numbers = numbers_table(method, found_numbers, shared);
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
