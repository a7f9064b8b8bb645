#include "report/cards.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/files.h"
#include "io/scratch_folder.h"

namespace equipoise::report {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Json fixture() {
  return load_results(std::filesystem::path(EQUIPOISE_SOURCE_DIR) / "tests/report/fixture");
}

TEST(ModelCard, TellsOfItsMethodAlone) {
  const Json results = fixture();
  const Json& method = results.at("methods")[1];
  const std::string card = model_card(results, method);
  EXPECT_THAT(card, StartsWith("---\nlibrary_name: equipoise\n"));
  EXPECT_THAT(card, HasSubstr("# " + method_title(method)));
  EXPECT_THAT(card, HasSubstr(text_at(method, "/model/sha256")));
  EXPECT_THAT(card, HasSubstr("| " + method_title(method) + " |"));
  EXPECT_THAT(card, Not(HasSubstr("| " + method_title(results.at("methods")[0]) + " |")));
}

TEST(ModelCard, GivesTheCommandThatSampledIt) {
  const Json method = {
      {"objective", "tiw_dsm"},
      {"model", {{"file", "models/ours.safetensors"}}},
      {"samples", {{"sampler", {{"type", "heun"}, {"steps", 18}, {"churn", 10}}}}}};
  EXPECT_THAT(model_card(Json::object(), method),
              HasSubstr("--model ours.safetensors --num 64 --out images --sampler "
                        "heun:churn=10,steps=18"));
}

TEST(ModelCard, AsksPeopleWhatARunCannotKnow) {
  EXPECT_THAT(model_card(fixture(), fixture().at("methods")[0]), HasSubstr("under which licence"));
  EXPECT_THAT(data_sheet(fixture()), HasSubstr("whether the people shown were asked"));
}

TEST(DataSheet, CountsEveryGroupOfEverySet) {
  const std::string sheet = data_sheet(fixture());
  for (const Json& set : fixture().at("data").at("sets"))
    EXPECT_THAT(sheet, HasSubstr(text_at(set, "/name")));
  EXPECT_THAT(sheet, HasSubstr("## Images by class and set"));
  // A class may be named like markup.
  EXPECT_THAT(sheet, Not(HasSubstr("<script>")));
}

TEST(Cards, StandBesideWhatTheyDescribe) {
  const io::ScratchFolder run;
  std::filesystem::create_directories(run / "models");
  const Json results = {{"format", "equipoise-results/1"},
                        {"methods",
                         {{{"name", "a"}, {"model", {{"file", "models/a.safetensors"}}}},
                          {{"name", "variant of a"}, {"of", "a"}}}}};
  std::ofstream(run / "results.json") << results;
  write_cards(run.path());
  EXPECT_THAT(io::read_file(run / "models/a.md"), HasSubstr("a.safetensors"));
  EXPECT_THAT(io::read_file(run / "data-sheet.md"), HasSubstr("# Data of"));
}

}  // namespace
}  // namespace equipoise::report
