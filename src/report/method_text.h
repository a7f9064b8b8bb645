// What each training method does, in a sentence and a formula.
#pragma once

#include <string>

namespace equipoise::report {

struct MethodText {
  std::string sentence;
  std::string formula;
};

/// Of an objective's registered name; empty for one that is not known here.
MethodText method_text(const std::string& objective);

}  // namespace equipoise::report
