#include "report/confusion.h"

#include "report/number_text.h"

namespace equipoise::report {
namespace {

std::vector<std::vector<double>> row_shares(const Json& matrix) {
  std::vector<std::vector<double>> shares;
  for (const Json& row : list_at(matrix, "")) {
    std::vector<double> counts;
    double total = 0;
    for (const Json& count : list_at(row, "")) {
      counts.push_back(number_at(count, "").value_or(0));
      total += counts.back();
    }
    for (double& count : counts) count = total > 0 ? count / total : 0;
    shares.push_back(counts);
  }
  return shares;
}

}  // namespace

Panel confusion_panel(const std::string& title, const std::string& alt_text, const Json& matrix,
                      const std::vector<std::string>& class_names,
                      const std::string& columns_title) {
  return {title, alt_text, confusion_chart(class_names, row_shares(matrix), columns_title)};
}

Table confusion_table(const std::string& caption, const Json& matrix,
                      const std::vector<std::string>& class_names) {
  Table table = {.caption = caption, .columns = {{"True class"}}, .rows = {}};
  const std::vector<Json> rows = list_at(matrix, "");
  for (size_t i = 0; i < rows.size(); ++i) {
    table.columns.push_back({class_name(class_names, i), true});
    Row row = {.cells = {class_name(class_names, i)}};
    for (const Json& cell : list_at(rows[i], ""))
      row.cells.push_back(cell.is_number_integer() ? count_text(number_at(cell, ""))
                                                   : number_text(number_at(cell, "")));
    table.rows.push_back(row);
  }
  return table;
}

}  // namespace equipoise::report
