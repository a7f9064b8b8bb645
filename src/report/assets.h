// Files embedded into the program at build time; written by cmake/report_assets.cmake.
#pragma once

#include <string_view>

namespace equipoise::report {

std::string_view style_sheet();
std::string_view page_script();
/// Vega, Vega-Lite and Vega-Embed with their licences; empty when the program was built without
/// npm.
std::string_view chart_library();

}  // namespace equipoise::report
