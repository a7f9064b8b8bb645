// What axe-core (npm; part of no report) has against a page.
#pragma once

#include <string>
#include <vector>

#include "browser.h"

namespace equipoise::report {

/// A script that examines the page once its charts are drawn and all its tables are open, and
/// leaves what it found in the page. "" where axe-core is not installed.
std::string axe_script();

/// Rules that the opened page breaks seriously or critically, with the elements that do. A page that
/// was not examined, or not in the colours asked for, is a failure of the test.
std::vector<std::string> serious_violations(const OpenedPage& page, ColourScheme scheme);

}  // namespace equipoise::report
