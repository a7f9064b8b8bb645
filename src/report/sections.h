// The report's sections, in the order in which they stand on the page. Each leaves out what the
// results do not hold and is empty when they hold nothing for it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "report/html.h"
#include "report/result_tables.h"
#include "report/results.h"

namespace equipoise::report {

struct Section {
  std::string id;  ///< the anchor
  std::string title;
  Html body;
};

Section findings_section(const Json& results);
/// What `findings_section` shows of findings.
Html findings_html(const std::vector<Finding>& findings);
Section methods_section(const Json& results);
Section data_section(const Json& results);
/// Reads the grids' files, or the samples themselves where there is no grid. Throws DataError when
/// one is damaged.
Section samples_section(const Json& results, const std::filesystem::path& run_dir);
/// One method's grid, titled `title`, of the run in `run_dir`; empty when it was not sampled. Throws
/// as `samples_section`.
Html samples_figure(const Json& method, const std::string& title, int hue,
                    const std::filesystem::path& run_dir);
Section shares_section(const Json& results);
Section results_section(const Json& results);
/// Loss curves come from results.json, else from the run's stats.jsonl.
Section training_section(const Json& results, const std::filesystem::path& run_dir);
/// Gradient directions, where they were watched (train.direction_statistics).
Section directions_section(const Json& results);
/// What was demanded of methods trained under constraints, and the multipliers' paths.
Section constraints_section(const Json& results);
Section ratio_section(const Json& results);
/// Wrong labels, the label model, whether conditional samples are of the class asked for, and groups
/// among samples of words.
Section labels_section(const Json& results);
/// Solvers, guidance and rejection, where methods were sampled in more than one way.
Section sampling_section(const Json& results);
/// What conditional models answered when they were asked ([audit] of the run).
Section audit_section(const Json& results);
Section classifier_section(const Json& results);
Section provenance_section(const Json& results);

}  // namespace equipoise::report
