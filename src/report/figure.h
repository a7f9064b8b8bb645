// A chart with everything that goes with it: title, alternative text, caption, and the numbers
// behind it as a table.
#pragma once

#include <string>
#include <vector>

#include "report/charts.h"
#include "report/html.h"
#include "report/table.h"

namespace equipoise::report {

/// One drawing. Several in a figure stand side by side as far as the page is wide.
struct Panel {
  std::string title;     ///< "" when the figure's title is enough
  std::string alt_text;  ///< what a reader who cannot see it must know
  Json spec;
  int hue = kNoHue;
};

/// How many panels stand side by side where the page is wide.
enum class Arrangement { kOne = 1, kTwo = 2, kThree = 3 };

struct Figure {
  std::string title;
  std::string caption;
  std::vector<Panel> panels;
  Table data;
  Arrangement arrangement = Arrangement::kTwo;
};

/// Without the chart library (a build without npm) the table stands open in the charts' place.
Html to_html(const Figure& figure);
/// JSON that may stand inside a <script> element: "</script>" and "<!--" cannot occur in it.
std::string script_json(const Json& json);

}  // namespace equipoise::report
