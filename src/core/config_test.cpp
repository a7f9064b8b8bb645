#include "core/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace equipoise {
namespace {

using testing::HasSubstr;

struct GridConfig {
  int64_t steps = 18;
  double rho = 7;
  std::string kind = "edm";
  std::vector<double> levels{1.0, 2.5};
  void fields(FieldVisitor& f) {
    f("steps", steps, "count", "sampling steps", {1, 1000});
    f("rho", rho, "", "grid exponent", {1, 100});
    f.choice("kind", kind, {"edm", "vp"}, "noise grid");
    f("levels", levels, "", "levels");
  }
};
struct RootConfig {
  int64_t seed = 0;
  bool fast = false;
  GridConfig grid;
  void fields(FieldVisitor& f) {
    f("seed", seed, "", "seed");
    f("fast", fast, "", "fast");
    f.group("grid", grid, "the grid");
  }
};

std::string failure(ConfigTree& tree, RootConfig& config) {
  tree.read("", config);
  try {
    tree.finish();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(ConfigTree, LaterLayersWinAndTellTheirOrigin) {
  ConfigTree tree;
  tree.add_text("seed = 1\n[grid]\nsteps = 20\nrho = 5\n", "preset x");
  tree.add_text("[grid]\nsteps = 30\n", "my.toml");
  tree.add_assignment("grid.rho=6.5");
  tree.add_assignment("grid.kind=vp");
  RootConfig config;
  EXPECT_EQ(failure(tree, config), "");
  EXPECT_EQ(config.seed, 1);
  EXPECT_EQ(config.grid.steps, 30);
  EXPECT_EQ(config.grid.rho, 6.5);
  EXPECT_EQ(config.grid.kind, "vp");
  EXPECT_EQ(tree.origin("grid.steps"), "my.toml:2");
  EXPECT_EQ(tree.origin("seed"), "preset x:1");
  EXPECT_EQ(tree.origin("grid.rho"), "--set grid.rho");
  EXPECT_EQ(tree.origin("fast"), "default");
}

TEST(ConfigTree, UnknownKeyNamesFileLineAndNearest) {
  ConfigTree tree;
  tree.add_text("[grid]\nrhoo = 5\n", "my.toml");
  RootConfig config;
  const std::string text = failure(tree, config);
  EXPECT_THAT(text, HasSubstr("[my.toml:2]"));
  EXPECT_THAT(text, HasSubstr("unknown key 'grid.rhoo'"));
  EXPECT_THAT(text, HasSubstr("did you mean 'grid.rho'"));
}

TEST(ConfigTree, CollectsAllProblemsBeforeThrowing) {
  ConfigTree tree;
  tree.add_text(
      "seed = 'one'\nfast = 1\n[grid]\nsteps = 0\nkind = 'emd'\nlevels = [1, 'x']\nother = 3\n",
      "bad.toml");
  RootConfig config;
  const std::string text = failure(tree, config);
  EXPECT_THAT(text, HasSubstr("6 problems"));
  EXPECT_THAT(text, HasSubstr("'seed' got a string (\"one\"), expected a whole number"));
  EXPECT_THAT(text, HasSubstr("'grid.steps' got 0, expected 1 to 1000 count"));
  EXPECT_THAT(text, HasSubstr("did you mean 'edm'"));
  EXPECT_EQ(config.grid.steps, 18) << "a bad value must not be taken";
}

TEST(ConfigTree, SyntaxErrorNamesTheLine) {
  ConfigTree tree;
  try {
    tree.add_text("seed = 1\n[grid\n", "broken.toml");
    FAIL() << "no error";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("[broken.toml:2"));
  }
}

TEST(ConfigTree, FreeSubtreeIsNotChecked) {
  ConfigTree tree;
  tree.add_text("[objective.tiw_dsm]\nalpha = 0.5\n", "x");
  tree.accept_all_below("objective");
  RootConfig config;
  EXPECT_EQ(failure(tree, config), "");
  EXPECT_EQ(tree.value("objective.tiw_dsm.alpha"), 0.5);
}

TEST(Config, ResolvedTomlParsesBackToTheSameValues) {
  RootConfig config;
  config.grid.rho = 3;
  config.grid.kind = "vp";
  config.grid.levels = {1e-12, 4, 0.1};
  const std::string toml = to_toml(to_json(config));
  ConfigTree tree;
  tree.add_text(toml, "resolved");
  RootConfig again;
  EXPECT_EQ(failure(tree, again), "") << toml;
  EXPECT_EQ(to_json(again).dump(), to_json(config).dump());
}

TEST(Config, FromJsonRefusesUnknownOptions) {
  GridConfig config;
  from_json({{"steps", 5}}, config, "sampler heun");
  EXPECT_EQ(config.steps, 5);
  EXPECT_THROW(from_json({{"stepps", 5}}, config, "sampler heun"), UsageError);
  EXPECT_THROW(from_json({1, 2}, config, "sampler heun"), UsageError);
}

TEST(Config, HelpListsDefaultUnitAndLimits) {
  const std::string help = help_text(RootConfig{});
  EXPECT_THAT(help, HasSubstr("grid.steps = 18   # sampling steps (count, 1 to 1000)"));
  EXPECT_THAT(help, HasSubstr("grid.kind = \"edm\"   # noise grid (edm | vp)"));
}

}  // namespace
}  // namespace equipoise
