// Matrices whose rows are true classes: drawn as shares of each row, with the numbers as a table.
#pragma once

#include <string>
#include <vector>

#include "report/figure.h"
#include "report/results.h"

namespace equipoise::report {

/// `matrix` is a list of rows of counts or probabilities; `columns_title` says what its columns are.
Panel confusion_panel(const std::string& title, const std::string& alt_text, const Json& matrix,
                      const std::vector<std::string>& class_names,
                      const std::string& columns_title);
Table confusion_table(const std::string& caption, const Json& matrix,
                      const std::vector<std::string>& class_names);

}  // namespace equipoise::report
