// Wrong labels, what was learnt of them, whether conditional models do as they are asked, and which
// groups models make for words.
#include "report/confusion.h"
#include "report/figure.h"
#include "report/number_text.h"
#include "report/sections.h"
#include "report/series.h"

namespace equipoise::report {
namespace {

std::string facts_text(const Json& results) {
  std::string text;
  if (const auto wrong = number_at(results, "/data/label_noise/share_wrong"))
    text = percent_text(wrong) + " of the labels that generators were shown are wrong. ";
  const Json& model = value_at(results, "/label_model");
  if (!model.is_object()) return text;
  text += "Transition matrix from true to shown labels: " + text_at(model, "/transition");
  if (const auto error = number_at(model, "/matrix_error"))
    text += ", no entry off by more than " + number_text(error);
  text += ".";
  const Json& corrected = value_at(model, "/corrected_labels");
  if (!corrected.is_object()) return text;
  text += " The label model would change " + percent_text(number_at(corrected, "/share_changed")) +
          " of the labels (" + text_at(corrected, "/file") + ")";
  if (const auto wrong = number_at(corrected, "/share_wrong"))
    text += "; of the changed set " + percent_text(wrong) + " are wrong";
  return text + ".";
}

Html matrices_figure(const Json& results) {
  const std::vector<std::string> names = class_names(results);
  const Json& shown = value_at(results, "/data/label_noise/counts");
  const Json& matrix = value_at(results, "/label_model/matrix");
  Figure figure = {.title = "True class and label",
                   .caption = "Rows are true classes; each sums to 100 %.",
                   .panels = {},
                   .data = {}};
  if (shown.is_array()) {
    figure.panels.push_back(confusion_panel("Labels shown in training",
                                            "Training labels by true class and label shown", shown,
                                            names, "label shown"));
    figure.data = confusion_table("Training images by true class (rows) and label shown (columns)",
                                  shown, names);
  }
  if (matrix.is_array()) {
    figure.panels.push_back(confusion_panel("Transition matrix that was used",
                                            "Transition matrix that corrects the labels", matrix,
                                            names, "label shown"));
    if (!shown.is_array())
      figure.data =
          confusion_table("Chance of each label (columns) by true class (rows)", matrix, names);
  }
  return figure.panels.empty() ? Html() : to_html(figure);
}

Html levels_figure(const Json& results) {
  const std::vector<Json> levels = list_at(results, "/label_model/levels");
  if (levels.empty()) return {};
  Table table = {.caption = "The noisy-label classifier by noise level, against true labels",
                 .columns = {{"σ", true},
                             {"Accuracy", true},
                             {"Wrong labels told apart (AUROC)", true},
                             {"Further classes asked a step", true},
                             {"Contradictions", true}},
                 .rows = {}};
  for (const Json& level : levels)
    table.rows.push_back({.cells = {number_text(number_at(level, "/sigma")),
                                    percent_text(number_at(level, "/accuracy")),
                                    number_text(number_at(level, "/wrong_label_auroc")),
                                    number_text(number_at(level, "/extra_calls")),
                                    percent_text(number_at(level, "/clamped_share"))}});
  return to_html(Figure{
      .title = "What the label model knows",
      .caption = "Accuracy: the true class is found. AUROC: the chance that a wrong label is "
                 "trusted less than a right one; 0.5 is knowing nothing. Measured against true "
                 "labels, which training never sees.",
      .panels = {{"", "Accuracy and AUROC of the label model over the noise level",
                  lines_chart({{"accuracy", "var(--accent)", false,
                                read_points(levels, "sigma", "accuracy")},
                               {"wrong labels told apart", kBiasedColour, true,
                                read_points(levels, "sigma", "wrong_label_auroc")}},
                              {.title = "noise level σ", .scale = Scale::kLog, .format = "~g"},
                              {.title = "", .format = ".1f", .from_zero = true})}},
      .data = table,
      .arrangement = Arrangement::kOne});
}

Html conditions_figure(const Json& results) {
  const std::vector<Json> methods = list_at(results, "/methods");
  std::vector<MethodEstimate> accuracies;
  Table table = {.caption = "Images by the class they were asked to be",
                 .columns = {{"Method"},
                             {"Are what was asked", true},
                             {"Fréchet distance by class", true},
                             {"real images score", true},
                             {"Coverage", true},
                             {"Classifier trained on samples", true}},
                 .rows = {}};
  for (size_t i = 0; i < methods.size(); ++i) {
    const Json& found = value_at(methods[i], "/conditional");
    if (!found.is_object()) continue;
    const int hue = static_cast<int>(i);
    const auto accuracy = estimate_at(found, "/accuracy");
    if (accuracy) accuracies.push_back({method_title(methods[i]), hue, *accuracy});
    table.rows.push_back({.cells = {method_title(methods[i]), percent_text(accuracy),
                                    number_text(number_at(found, "/frechet")),
                                    number_text(number_at(found, "/frechet_floor")),
                                    number_text(number_at(found, "/coverage")),
                                    percent_text(estimate_at(found, "/cas/accuracy_interval"))},
                          .hue = hue});
  }
  if (accuracies.empty()) return {};
  return to_html(Figure{
      .title = "Are images what was asked for?",
      .caption =
          "As the classifier of real images sees them. Distances and coverage are means over "
          "classes. The last column is the accuracy, on real images, of a classifier that "
          "was trained on the samples alone.",
      .panels = {{"", "Share of images that are of the class asked for, by method",
                  estimates_chart(accuracies,
                                  {.title = "share of images", .format = ".0%", .from_zero = true},
                                  std::nullopt)}},
      .data = table,
      .arrangement = Arrangement::kOne});
}

/// Shares of the groups in what was made for each word, of models told of words.
Html words_table(const Json& results) {
  const std::vector<Json> methods = list_at(results, "/methods");
  Table table = {.caption =
                     "Groups among the images made for each word, as classified and corrected "
                     "for the classifier's own confusions",
                 .columns = {{"Method"}, {"Word"}, {"Images", true}},
                 .rows = {}};
  const size_t num_facts = table.columns.size();
  for (size_t i = 0; i < methods.size(); ++i)
    for (const Json& word : list_at(methods[i], "/by_word")) {
      const std::vector<Json> shares = list_at(word, "/shares");
      for (size_t g = table.columns.size() - num_facts; g < shares.size(); ++g)
        table.columns.push_back({text_at(shares[g], "/group"), true});
      Row row = {.cells = {method_title(methods[i]), text_at(word, "/word"),
                           count_text(number_at(word, "/num_samples"))},
                 .hue = static_cast<int>(i)};
      for (const Json& share : shares)
        row.cells.push_back(percent_text(estimate_at(share, "/corrected")));
      table.rows.push_back(row);
    }
  return table.rows.empty() ? Html() : to_html(table);
}

}  // namespace

Section labels_section(const Json& results) {
  Section section = {"labels", "Labels", {}};
  if (const std::string facts = facts_text(results); !facts.empty())
    section.body += element("p", {}, facts);
  section.body += matrices_figure(results);
  section.body += levels_figure(results);
  section.body += conditions_figure(results);
  section.body += words_table(results);
  return section;
}

}  // namespace equipoise::report
