// What the page has beyond the report's style and script, built in by cmake/watch_assets.cmake.
#pragma once

#include <string_view>

namespace equipoise::serve {

std::string_view watch_style();
std::string_view watch_script();

}  // namespace equipoise::serve
