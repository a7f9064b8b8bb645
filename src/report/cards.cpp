#include "report/cards.h"

#include <fmt/format.h>

#include "io/files.h"
#include "report/markdown_report.h"
#include "report/number_text.h"
#include "report/result_tables.h"

namespace equipoise::report {
namespace {

constexpr const char* kQuestion = "*To be answered by whoever publishes this:* ";

std::string paragraph(const std::string& text) {
  return text.empty() ? "" : text + "\n\n";
}

std::string heading(const std::string& text) {
  return fmt::format("## {}\n\n", text);
}

std::string question(const std::string& text) {
  return paragraph(kQuestion + text);
}

/// "- name: value" where there is a value.
std::string item(const std::string& name, const std::string& value) {
  return value.empty() ? "" : "- " + name + ": " + escape_markdown(value) + "\n";
}

/// Results that hold this method alone, for the tables of the report.
Json only(const Json& results, const Json& method) {
  Json one = results;
  one["methods"] = Json::array({method});
  one["ratios"] = Json::array();
  return one;
}

std::string front_matter(const Json& method) {
  return "---\nlibrary_name: equipoise\npipeline_tag: unconditional-image-generation\ntags:\n"
         "- diffusion\n- fairness\n- " +
         text_at(method, "/objective") + "\n---\n\n";
}

std::string model_details(const Json& results, const Json& method) {
  const std::string options = properties_text(value_at(method, "/options"));
  return heading("Model") + paragraph(escape_markdown(text_at(method, "/summary"))) +
         item("Objective",
              text_at(method, "/objective") + (options.empty() ? "" : ", ") + options) +
         item("Formula", text_at(method, "/formula")) +
         item("Network", properties_text(value_at(results, "/config/model/network"))) +
         item("Parameters", count_text(number_at(method, "/model/num_parameters"))) +
         item("Preconditioning", text_at(results, "/config/model/preconditioning")) +
         item("File", text_at(method, "/model/file")) +
         item("SHA-256", text_at(method, "/model/sha256")) +
         item("Equipoise", text_at(results, "/software/equipoise")) +
         item("Run", text_at(results, "/title") + ", seed " + text_at(results, "/seed")) + "\n";
}

/// "heun:churn=10,steps=18", as the command line takes it.
std::string sampler_flag(const Json& sampler) {
  std::string options;
  if (!sampler.is_object()) return "heun";
  for (const auto& [name, value] : sampler.items())
    if (name != "type") options += (options.empty() ? ":" : ",") + name + "=" + text_at(value, "");
  return text_at(sampler, "/type") + options;
}

std::string usage(const Json& method) {
  return heading("How to draw images") +
         fmt::format("```\nequipoise sample --model {} --num 64 --out images --sampler {}\n```\n\n",
                     std::filesystem::path(text_at(method, "/model/file")).filename().string(),
                     sampler_flag(value_at(method, "/samples/sampler")));
}

std::string training(const Json& results) {
  const Json& train = value_at(results, "/config/train");
  return heading("Training") +
         item("Data", text_at(results, "/data/source") + ", data-sheet.md says of what") +
         item("Images shown", text_at(train, "/images")) +
         item("Batch size", text_at(train, "/batch_size")) +
         item("Learning rate", text_at(train, "/learning_rate")) +
         item("Averaging", properties_text(value_at(train, "/ema"))) +
         item("Noise levels", properties_text(value_at(train, "/noise"))) + "\n" +
         "The whole configuration is config.toml of the run.\n";
}

std::string findings_about(const Json& results, const Json& method) {
  std::vector<Finding> about;
  for (const Finding& finding : sorted_findings(results))
    if (finding.subject == method_title(method)) about.push_back(finding);
  if (about.empty()) return "";
  return fmt::format("\n{}{}", heading("What was found"), findings_markdown(about));
}

/// Biased, reference and other sets: what each is for.
std::string sets_text(const Json& results) {
  std::string text;
  for (const Json& set : list_at(results, "/data/sets"))
    text += item(text_at(set, "/name"), count_text(number_at(set, "/size")) + " images");
  return text;
}

}  // namespace

std::string model_card(const Json& results, const Json& method) {
  const Json one = only(results, method);
  return front_matter(method) + "# " + escape_markdown(method_title(method)) + ", " +
         escape_markdown(text_at(results, "/title")) + "\n\n" + model_details(results, method) +
         heading("Use") +
         paragraph(
             "Made to draw images whose groups have the shares of the stated target, which "
             "its training images do not have.") +
         question(
             "who may use it for what, and for what it must not be used; under which licence.") +
         usage(method) + training(results) +
         tables_markdown({methods_table(one), shares_table(one)}) + "\n" +
         paragraph(
             "Numbers are of one run and its evaluation images. Shares are what a classifier "
             "counts, corrected for the errors it makes on real images. How each was measured "
             "is in results.json.") +
         findings_about(results, method) + "\n" + heading("Risks and limits") +
         question(
             "whom images of this kind can harm, what was done about it, and which groups were "
             "not looked at.");
}

std::string data_sheet(const Json& results) {
  const std::string protocol = text_at(results, "/data/split/protocol");
  return "# Data of " + escape_markdown(text_at(results, "/title")) + "\n\n" +
         heading("Motivation") + question("for what the images were collected, and by whom.") +
         heading("Composition") + item("Source", text_at(results, "/data/source")) +
         item("SHA-256", text_at(results, "/data/sha256")) +
         item("Images", count_text(number_at(results, "/data/num_images"))) +
         item("Channels, height, width", properties_text(value_at(results, "/data/shape"))) +
         sets_text(results) + tables_markdown({composition_table(results)}) + "\n" +
         heading("Collection") +
         question(
             "how the images and their labels came about; whether the people shown were asked.") +
         heading("Preprocessing") +
         paragraph(protocol.empty() ? std::string("The sets are used as they are.")
                                    : "The sets were drawn from the source by the protocol “" +
                                          escape_markdown(protocol) + "” with seed " +
                                          text_at(results, "/data/split/seed") + "; " +
                                          text_at(results, "/data/split/file") +
                                          " lists every image of each. Settings: " +
                                          escape_markdown(properties_text(
                                              value_at(results, "/config/data/split"))) +
                                          ".") +
         heading("Uses") +
         paragraph(
             "The biased set and the reference set train the models of this run. The "
             "classifier that counts groups has seen neither; measurements are taken on images "
             "that nothing was trained on.") +
         question("what else they may and may not be used for.") +
         heading("Distribution and maintenance") +
         question("licence, where the images can be had, whom to tell of errors.");
}

void write_cards(const std::filesystem::path& run_dir) {
  const Json results = load_results(run_dir);
  io::write_file_atomically(run_dir / "data-sheet.md", data_sheet(results));
  for (const Json& method : list_at(results, "/methods")) {
    std::filesystem::path file = run_dir / text_at(method, "/model/file");
    if (file.extension() == ".safetensors")
      io::write_file_atomically(file.replace_extension(".md"), model_card(results, method));
  }
}

}  // namespace equipoise::report
