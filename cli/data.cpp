// equipoise data check | split | convert: what is in an image set, how it is divided, and another
// form of it.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "command.h"
#include "core/config.h"
#include "data/convert.h"
#include "data/dataset_reader.h"
#include "data/dataset_report.h"
#include "data/groups.h"
#include "data/split.h"
#include "field_flags.h"

namespace equipoise::cli {
namespace {

constexpr int kProblemsFound = 3;  // the exit code of a DataError

void add_dataset(CLI::App& command, std::string& spec) {
  command
      .add_option("dataset", spec,
                  "PATH, or READER:PATH where guessing fails (equipoise list datasets)")
      ->required()
      ->type_name("DATASET");
}

Action declare_check(CLI::App& command) {
  struct Flags {
    std::string dataset;
    bool json = false;
  };
  auto flags = std::make_shared<Flags>();
  add_dataset(command, flags->dataset);
  command.add_flag("--json", flags->json, "Print JSON");
  command.footer("Exit code 3 when problems were found.");
  return [flags] {
    const data::DatasetReport report = data::check_dataset(flags->dataset);
    fmt::print("{}", flags->json ? report.to_json().dump(2) + "\n" : report.to_text());
    return report.problems.empty() ? 0 : kProblemsFound;
  };
}

std::string split_table(const data::ImageSet& set, const data::Split& split) {
  const data::Grouping groups = data::group_images(set, split.attributes);
  const auto biased = groups.count(split.biased), reference = groups.count(split.reference),
             heldout = groups.count(split.heldout);
  std::string text = fmt::format("{:<24} {:>9} {:>9} {:>9} {:>8}\n", "", "biased", "reference",
                                 "held out", "target");
  for (size_t k = 0; k < groups.names.size(); ++k)
    text += fmt::format("{:<24} {:>9} {:>9} {:>9} {:>6.1f} %\n", groups.names[k], biased[k],
                        reference[k], heldout[k], 100 * split.target[k]);
  return text + fmt::format("{:<24} {:>9} {:>9} {:>9}\n", "all", split.biased.numel(),
                            split.reference.numel(), split.heldout.numel());
}

Action declare_split(CLI::App& command) {
  struct Flags {
    data::DataConfig data;
    uint64_t seed = 0;
    std::string out;
    std::shared_ptr<nlohmann::json> split, reference;
  };
  auto flags = std::make_shared<Flags>();
  add_dataset(command, flags->data.path);
  command.add_option("--out", flags->out, "Where the manifest goes")
      ->required()
      ->type_name("SPLIT.json");
  command.add_option("--seed", flags->seed, "Seed of the choice")
      ->capture_default_str()
      ->type_name("N");
  FieldFlags split_flags(command, "Biased set"),
      reference_flags(command, "Reference set", "reference-");
  split_flags.add(data::SplitConfig{});
  reference_flags.add(data::ReferenceConfig{});
  flags->split = split_flags.given();
  flags->reference = reference_flags.given();
  command.add_option("--heldout", flags->data.heldout, "Share of every group kept from training")
      ->check(CLI::Range(0.0, 0.9))
      ->capture_default_str()
      ->type_name("FLOAT");
  command.footer("A manifest lists indices and the data's SHA-256; images are not copied.");
  return [flags] {
    from_json(*flags->split, flags->data.split, "equipoise data split");
    from_json(*flags->reference, flags->data.reference, "equipoise data split, reference");
    const data::ImageSet set = data::load_images(flags->data.path);
    const data::Split split = data::make_split(set, flags->data, flags->seed);
    data::save_split(split, flags->out);
    fmt::print("{}{}\n", split_table(set, split), flags->out);
    return 0;
  };
}

const std::map<std::string, at::Tensor data::Split::*> kParts = {
    {"biased", &data::Split::biased},
    {"reference", &data::Split::reference},
    {"heldout", &data::Split::heldout}};

Action declare_convert(CLI::App& command) {
  struct Flags {
    std::string dataset, out, split, part = "biased";
  };
  auto flags = std::make_shared<Flags>();
  add_dataset(command, flags->dataset);
  command.add_option("out", flags->out, "Archive to write")->required()->type_name("OUT.zip");
  CLI::Option* split =
      command
          .add_option("--split", flags->split, "Write the images of one list of this manifest only")
          ->type_name("SPLIT.json");
  command.add_option("--part", flags->part, "Which list")
      ->needs(split)
      ->check(CLI::IsMember(kParts))
      ->capture_default_str();
  command.footer(
      "Writes PNG files and dataset.json in one archive, the form that EDM's tools read.");
  return [flags] {
    data::ImageSet set = data::load_images(flags->dataset);
    if (!flags->split.empty())
      set = set.select(data::load_split(flags->split, set).*kParts.at(flags->part));
    data::convert_to_zip(set, flags->out);
    fmt::print("{} images to {}\n", set.size(), flags->out);
    return 0;
  };
}

}  // namespace

Action declare_data(CLI::App& command) {
  return add_commands(
      command,
      {{"check", "Counts, sizes, duplicates and every problem of an image set", declare_check},
       {"split", "Choose a biased set, its reference and held-out images", declare_split},
       {"convert", "Write an image set as a zip archive of PNG files", declare_convert}});
}

}  // namespace equipoise::cli
