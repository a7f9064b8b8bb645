#include "report/figure.h"
#include "report/number_text.h"
#include "report/sections.h"

namespace equipoise::report {
namespace {

std::vector<std::vector<double>> row_shares(const Json& classifier) {
  std::vector<std::vector<double>> shares;
  for (const Json& row : list_at(classifier, "/confusion")) {
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

Table confusion_table(const Json& classifier, const std::vector<std::string>& names) {
  Table table = {.caption = "Test images by true class (rows) and predicted class (columns)",
                 .columns = {{"True class"}},
                 .rows = {}};
  const std::vector<Json> rows = list_at(classifier, "/confusion");
  for (size_t i = 0; i < rows.size(); ++i) {
    table.columns.push_back({class_name(names, i), true});
    Row row = {.cells = {class_name(names, i)}};
    for (const Json& count : list_at(rows[i], ""))
      row.cells.push_back(count_text(number_at(count, "")));
    table.rows.push_back(row);
  }
  return table;
}

std::string facts_text(const Json& classifier) {
  return "Class shares rest on this classifier. It was trained on " +
         count_text(number_at(classifier, "/num_train")) +
         " images that no generator sees and is right on " +
         percent_text(number_at(classifier, "/accuracy")) + " of " +
         count_text(number_at(classifier, "/num_test")) + " others.";
}

}  // namespace

Section classifier_section(const Json& results) {
  Section section = {"classifier", "The classifier that counts", {}};
  const Json& classifier = value_at(results, "/classifier");
  if (!classifier.is_object()) return section;
  section.body += element("p", {}, facts_text(classifier));
  const std::vector<std::vector<double>> shares = row_shares(classifier);
  if (shares.empty()) return section;
  const std::vector<std::string> names = class_names(results);
  section.body +=
      to_html(Figure{.title = "Confusion matrix",
                     .caption = "Each row sums to 100 %; cells below 0.5 % are left blank.",
                     .panels = {{"",
                                 "Confusion matrix of the classifier, accuracy " +
                                     percent_text(number_at(classifier, "/accuracy")) +
                                     "; the counts are in the table below.",
                                 confusion_chart(names, shares)}},
                     .data = confusion_table(classifier, names),
                     .arrangement = Arrangement::kOne});
  return section;
}

}  // namespace equipoise::report
