#include "report/confusion.h"
#include "report/figure.h"
#include "report/number_text.h"
#include "report/sections.h"

namespace equipoise::report {
namespace {

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
  const Json& confusion = value_at(classifier, "/confusion");
  if (!confusion.is_array()) return section;
  const std::vector<std::string> names = class_names(results);
  section.body += to_html(Figure{
      .title = "Confusion matrix",
      .caption = "Each row sums to 100 %; cells below 0.5 % are left blank.",
      .panels = {confusion_panel("",
                                 "Confusion matrix of the classifier, accuracy " +
                                     percent_text(number_at(classifier, "/accuracy")) +
                                     "; the counts are in the table below.",
                                 confusion, names, "predicted class")},
      .data = confusion_table("Test images by true class (rows) and predicted class (columns)",
                              confusion, names),
      .arrangement = Arrangement::kOne});
  return section;
}

}  // namespace equipoise::report
