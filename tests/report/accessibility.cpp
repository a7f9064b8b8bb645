#include "accessibility.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "io/files.h"

namespace equipoise::report {
namespace {

constexpr const char* kBegin = "<pre id=\"axe-result\">";
constexpr const char* kRunner = R"js(
(async () => {
  for (let tries = 0; document.documentElement.dataset.charts !== 'drawn' && tries < 100; ++tries)
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  document.querySelectorAll('details').forEach((details) => { details.open = true; });
  const {violations, passes} = await axe.run(document);
  const result = document.createElement('pre');
  result.id = 'axe-result';
  result.textContent = JSON.stringify({
    isDark: matchMedia('(prefers-color-scheme: dark)').matches,
    numPasses: passes.length,
    violations: violations.map(({id, impact, nodes}) => ({id, impact, nodes: nodes.map((node) => node.html)})),
  }).replace(/[<>&]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`);
  document.body.append(result);
})();
)js";

}  // namespace

std::string axe_script() {
  for (const char* modules : {EQUIPOISE_BINARY_DIR "/report_assets/node_modules",
                              EQUIPOISE_SOURCE_DIR "/tools/report_assets/node_modules"}) {
    const std::filesystem::path file = std::filesystem::path(modules) / "axe-core/axe.min.js";
    if (std::filesystem::exists(file)) return io::read_file(file) + kRunner;
  }
  return "";
}

std::vector<std::string> serious_violations(const OpenedPage& page, ColourScheme scheme) {
  const size_t begin = page.elements.find(kBegin);
  const size_t end = page.elements.find("</pre>", begin);
  if (begin == std::string::npos || end == std::string::npos) {
    ADD_FAILURE() << "the page was not examined\n" << page.log;
    return {};
  }
  const size_t text = begin + std::string(kBegin).size();
  const auto result = nlohmann::json::parse(page.elements.substr(text, end - text));
  EXPECT_EQ(result.at("isDark"), scheme == ColourScheme::kDark);
  EXPECT_GT(result.at("numPasses"), 10) << "axe found little to look at";
  std::vector<std::string> found;
  for (const auto& violation : result.at("violations")) {
    const auto impact = violation.at("impact");
    if (impact == "serious" || impact == "critical") found.push_back(violation.dump());
  }
  return found;
}

}  // namespace equipoise::report
