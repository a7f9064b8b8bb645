// equipoise doctor: what this machine has, what is wrong with it, and how to mend it.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "command.h"
#include "machine.h"

namespace equipoise::cli {
namespace {

constexpr int kMachineIsUnfit = 5;  // the exit code of an EnvironmentError

std::string to_text(const std::vector<Observation>& observations) {
  std::string text;
  int64_t num_problems = 0;
  for (const Observation& seen : observations) {
    text += fmt::format("{:<16} {}\n", seen.subject, seen.found);
    if (seen.verdict == Verdict::kGood) continue;
    ++num_problems;
    text +=
        fmt::format("{:<16} problem: {}\n{:<16} mend it: {}\n", "", seen.problem, "", seen.remedy);
  }
  return text +
         (num_problems == 0 ? "nothing is wrong\n" : fmt::format("{} to mend\n", num_problems));
}

nlohmann::ordered_json to_json(const std::vector<Observation>& observations) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Observation& seen : observations) {
    const char* const verdict = seen.verdict == Verdict::kGood   ? "good"
                                : seen.verdict == Verdict::kSlow ? "slow"
                                                                 : "broken";
    list.push_back({{"subject", seen.subject}, {"found", seen.found}, {"verdict", verdict}});
    if (!seen.problem.empty())
      list.back().update({{"problem", seen.problem}, {"remedy", seen.remedy}});
  }
  return list;
}

}  // namespace

Action declare_doctor(CLI::App& command) {
  auto json = std::make_shared<bool>(false);
  command.add_flag("--json", *json, "Print JSON");
  command.footer(
      "Exit code 5 when the machine is unfit; what only slows it down is told, and the code is 0.");
  return [json] {
    const std::vector<Observation> observations = observe_machine();
    fmt::print("{}", *json ? to_json(observations).dump(2) + "\n" : to_text(observations));
    const bool is_unfit = std::ranges::any_of(
        observations, [](const Observation& seen) { return seen.verdict == Verdict::kBroken; });
    return is_unfit ? kMachineIsUnfit : 0;
  };
}

}  // namespace equipoise::cli
