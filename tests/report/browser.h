// Pages as headless Chromium shows them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace equipoise::report {

/// The name of a Chromium on this machine; "" where there is none.
std::string chromium_program();

enum class ColourScheme { kLight, kDark };

struct OpenedPage {
  std::string elements;  ///< the page's markup once its scripts have run, without the scripts
  std::string log;       ///< what Chromium and the page's console said
};

/// Opens `address` and lets its scripts run for 20 s of the page's own time. Chromium's profile goes
/// to `scratch`. A Chromium that fails is a failure of the test.
OpenedPage open_page(const std::string& address, const std::filesystem::path& scratch,
                     ColourScheme scheme = ColourScheme::kLight);

/// How often `part` occurs in `text`.
size_t count(const std::string& text, const std::string& part);

}  // namespace equipoise::report
