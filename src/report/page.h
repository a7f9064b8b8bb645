// One offline page: head, contents, sections, and the chart library where there is one.
#pragma once

#include <string>
#include <vector>

#include "report/sections.h"

namespace equipoise::report {

/// The page forbids itself every load from outside. Vega compiles its expressions, hence
/// 'unsafe-eval'.
inline constexpr const char* kContentPolicy =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline' "
    "'unsafe-eval'";

struct PageHead {
  std::string kicker;  ///< what kind of page this is
  std::string title;
  std::string facts;  ///< one line below the title
};

/// Empty sections are left out.
std::string page_html(const PageHead& head, std::vector<Section> sections);

}  // namespace equipoise::report
