#include "core/config.h"
#include "report/result_tables.h"
#include "report/sections.h"

namespace equipoise::report {
namespace {

Html reproduction(const Json& results) {
  const std::string command = text_at(results, "/command");
  Html html = element("h3", {}, "How to reproduce");
  html += element(
      "p", {},
      "With the same version, the same data and the resolved configuration that stands beside this "
      "report, every number above comes out again, timings apart:");
  html += element(
      "pre", {{"tabindex", "0"}},
      element("code", {}, command.empty() ? "equipoise run config.toml --out again" : command));
  return html;
}

Html configuration(const Json& results) {
  const Json& config = value_at(results, "/config");
  if (!config.is_object()) return {};
  Html content = element("summary", {}, "Resolved configuration");
  content += element("pre", {{"tabindex", "0"}},
                     element("code", {}, to_toml(nlohmann::ordered_json(config))));
  return element("details", {{"class", "data"}}, content);
}

}  // namespace

Section provenance_section(const Json& results) {
  Section section = {"provenance", "Provenance", reproduction(results)};
  section.body += configuration(results);
  const Table stages = stages_table(results), identity = identity_table(results);
  if (!stages.rows.empty()) section.body += to_html(stages);
  if (!identity.rows.empty()) section.body += to_html(identity);
  return section;
}

}  // namespace equipoise::report
