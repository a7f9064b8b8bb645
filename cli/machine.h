// What `doctor` looks at: everything of a machine that decides how fast Equipoise runs on it, or
// whether at all.
#pragma once

#include <string>
#include <vector>

namespace equipoise::cli {

enum class Verdict { kGood, kSlow, kBroken };

/// One thing about the machine.
struct Observation {
  std::string subject;  ///< "BLAS"
  std::string found;    ///< "OpenBLAS, /usr/lib/…/libblas.so.3"
  Verdict verdict = Verdict::kGood;
  std::string problem = "";  ///< what is wrong with it; empty when good
  std::string remedy = "";   ///< how to mend it
};

/// Takes about a second: a matrix product is timed.
std::vector<Observation> observe_machine();

}  // namespace equipoise::cli
