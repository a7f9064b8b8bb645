#include <algorithm>
#include <numbers>

#include <fmt/format.h>

#include "report/figure.h"
#include "report/number_text.h"
#include "report/sections.h"
#include "report/series.h"

namespace equipoise::report {
namespace {

constexpr size_t kMaxPoints = 60;
constexpr size_t kMaxSmallPanels = 6;
constexpr double kDoubtfulEss = 0.1;

std::string level_title(const Json& level) {
  const auto sigma = number_at(level, "/sigma");
  return sigma == 0.0 ? "Clean images (σ = 0)" : "σ = " + number_text(sigma);
}

/// At most `kMaxSmallPanels` of the levels, evenly spaced, the first and the last among them.
std::vector<Json> selected(const std::vector<Json>& levels) {
  if (levels.size() <= kMaxSmallPanels) return levels;
  std::vector<Json> some;
  for (size_t i = 0; i < kMaxSmallPanels; ++i)
    some.push_back(levels[i * (levels.size() - 1) / (kMaxSmallPanels - 1)]);
  return some;
}

/// Noise levels are spread over decades; clean images (sigma 0) have no place on a logarithmic
/// axis.
Axis sigma_axis(const std::vector<Json>& levels) {
  const bool has_zero = std::ranges::any_of(
      levels, [](const Json& l) { return number_at(l, "/sigma").value_or(0) <= 0; });
  return {
      .title = "noise level σ", .scale = has_zero ? Scale::kSymlog : Scale::kLog, .format = "~g"};
}

std::vector<double> numbers_of(const Json& json, const std::string& pointer) {
  std::vector<double> numbers;
  for (const Json& number : list_at(json, pointer))
    numbers.push_back(number_at(number, "").value_or(0));
  return numbers;
}

Html bce_figure(const Json& ratio) {
  const std::vector<Json> curve = list_at(ratio, "/curve");
  std::vector<Series> series;
  const Points heldout = thin_out(read_points(curve, "step", "heldout_bce"), kMaxPoints);
  const Points training = thin_out(read_points(curve, "step", "train_bce"), kMaxPoints);
  if (!training.empty()) series.push_back({"training", kBiasedColour, true, training});
  if (!heldout.empty()) series.push_back({"held out", "var(--accent)", false, heldout});
  if (series.empty()) return {};
  std::vector<Guide> guides = {
      {Guide::Direction::kHorizontal, std::numbers::ln2, "ln 2: knows nothing"}};
  if (const auto snapshot = number_at(ratio, "/snapshot_step"))
    guides.push_back({Guide::Direction::kVertical, *snapshot, "snapshot used"});
  return to_html(Figure{
      .title = "Cross-entropy while training",
      .caption =
          "The snapshot with the lowest held-out cross-entropy is used; where the held-out curve "
          "rises "
          "while the training curve falls, the discriminator is learning its images by heart.",
      .panels = {{"",
                  "Training and held-out cross-entropy of the ratio over training steps; the "
                  "numbers are in "
                  "the table below.",
                  lines_chart(series, {.title = "step", .format = ",d"},
                              {.title = "cross-entropy (nats)", .format = ".2f"}, guides)}},
      .data = series_table("Cross-entropy by step", series, "Step", "Nats"),
      .arrangement = Arrangement::kOne});
}

Table levels_table(const std::vector<Json>& levels) {
  Table table = {.caption = "The ratio by noise level",
                 .columns = {{"σ", true},
                             {"Cross-entropy", true},
                             {"Accuracy", true},
                             {"Effective sample size", true},
                             {"Mean weight", true},
                             {"Weight, 5 %", true},
                             {"25 %", true},
                             {"median", true},
                             {"75 %", true},
                             {"95 %", true}},
                 .rows = {}};
  for (const Json& level : levels) {
    Row row = {.cells = {number_text(number_at(level, "/sigma")),
                         number_text(number_at(level, "/bce")),
                         percent_text(number_at(level, "/accuracy")),
                         percent_text(number_at(level, "/ess_fraction")),
                         number_text(number_at(level, "/mean_weight"))}};
    for (const char* quantile : {"p05", "p25", "p50", "p75", "p95"})
      row.cells.push_back(
          number_text(number_at(level, std::string("/weight_quantiles/") + quantile)));
    table.rows.push_back(row);
  }
  return table;
}

std::vector<QuantilePoint> quantile_points(const std::vector<Json>& levels) {
  std::vector<QuantilePoint> points;
  for (const Json& level : levels) {
    const auto sigma = number_at(level, "/sigma");
    const Json& quantiles = value_at(level, "/weight_quantiles");
    const auto at = [&](const char* name) { return number_at(quantiles, name).value_or(0); };
    if (sigma && quantiles.is_object())
      points.push_back({*sigma, at("/p05"), at("/p25"), at("/p50"), at("/p75"), at("/p95")});
  }
  return points;
}

/// Only for several levels: a curve needs more than one point.
Html levels_figure(const std::vector<Json>& levels) {
  const Axis sigma = sigma_axis(levels);
  Figure figure = {
      .title = "The ratio by noise level",
      .caption =
          "Effective sample size: the share of the biased images that still counts once they are "
          "weighted; below 10 % few images carry the training. Bands hold 90 and 50 % of the "
          "biased images' weights.",
      .panels = {},
      .data = levels_table(levels),
      .arrangement = Arrangement::kThree};
  const Points ess = read_points(levels, "sigma", "ess_fraction"),
               bce = read_points(levels, "sigma", "bce");
  const std::vector<QuantilePoint> quantiles = quantile_points(levels);
  if (!ess.empty())
    figure.panels.push_back(
        {"Effective sample size", "Effective sample size of the weights over the noise level",
         lines_chart({{"effective sample size", "var(--accent)", false, ess}}, sigma,
                     {.title = "share of biased images", .format = ".0%", .from_zero = true},
                     {{Guide::Direction::kHorizontal, kDoubtfulEss, "10 %"}})});
  if (!quantiles.empty())
    figure.panels.push_back(
        {"Weights of the biased images", "Quantiles of the weights over the noise level",
         quantiles_chart(quantiles, sigma, {.title = "weight", .from_zero = true})});
  if (!bce.empty())
    figure.panels.push_back(
        {"Held-out cross-entropy", "Held-out cross-entropy over the noise level",
         lines_chart({{"cross-entropy", "var(--accent)", false, bce}}, sigma,
                     {.title = "nats", .format = ".2f", .from_zero = true},
                     {{Guide::Direction::kHorizontal, std::numbers::ln2, "ln 2"}})});
  return figure.panels.empty() ? Html() : to_html(figure);
}

Html histograms_figure(const std::vector<Json>& levels) {
  Figure figure = {
      .title = "Weights by noise level",
      .caption =
          "Where the two histograms part, the ratio tells the sets apart; where they coincide at "
          "1, the noise has made them alike.",
      .panels = {},
      .data = {.caption = "Weight histograms",
               .columns = {{"σ", true},
                           {"Weight from", true},
                           {"to", true},
                           {"Biased images", true},
                           {"Reference images", true}},
               .rows = {}},
      .arrangement = Arrangement::kThree};
  for (const Json& level : selected(levels)) {
    const std::vector<double> edges = numbers_of(level, "/weight_histogram/edges"),
                              biased = numbers_of(level, "/weight_histogram/counts_biased"),
                              reference = numbers_of(level, "/weight_histogram/counts_reference");
    if (edges.size() < 2) continue;
    figure.panels.push_back(
        {level_title(level), "Histogram of weights at " + level_title(level),
         histograms_chart(edges, biased, reference, {.title = "weight", .format = "~g"})});
    for (size_t i = 0; i < std::min({edges.size() - 1, biased.size(), reference.size()}); ++i) {
      if (biased[i] > 0 || reference[i] > 0)
        figure.data.rows.push_back({.cells = {number_text(number_at(level, "/sigma")),
                                              number_text(edges[i]), number_text(edges[i + 1]),
                                              count_text(biased[i]), count_text(reference[i])}});
    }
  }
  return figure.panels.empty() ? Html() : to_html(figure);
}

Html calibration_figure(const std::vector<Json>& levels) {
  Figure figure = {
      .title = "Calibration by noise level",
      .caption =
          "Of images given the same probability, the share that really came from the reference "
          "set. On the dashed diagonal the ratio can be taken at its word; dots grow with the "
          "number of images.",
      .panels = {},
      .data = {.caption = "Calibration",
               .columns = {{"σ", true}, {"Predicted", true}, {"Observed", true}, {"Images", true}},
               .rows = {}},
      .arrangement = Arrangement::kThree};
  for (const Json& level : selected(levels)) {
    std::vector<CalibrationPoint> points;
    for (const Json& bin : list_at(level, "/calibration")) {
      const CalibrationPoint point = {number_at(bin, "/predicted").value_or(0),
                                      number_at(bin, "/observed").value_or(0),
                                      number_at(bin, "/count").value_or(0)};
      if (point.count <= 0) continue;
      points.push_back(point);
      figure.data.rows.push_back(
          {.cells = {number_text(number_at(level, "/sigma")), number_text(point.predicted),
                     number_text(point.observed), count_text(point.count)}});
    }
    if (!points.empty())
      figure.panels.push_back({level_title(level), "Calibration curve at " + level_title(level),
                               calibration_chart(points)});
  }
  return figure.panels.empty() ? Html() : to_html(figure);
}

std::string facts_text(const Json& ratio) {
  std::string kind = text_at(ratio, "/kind");
  std::ranges::replace(kind, '_', '-');
  std::string text = "A " + kind + " discriminator";
  if (const auto images = number_at(ratio, "/posterior_images")) {
    const std::string mean = fmt::format(
        "the time-independent discriminator, averaged over {} images that a noised one may have "
        "come from",
        count_text(images));
    const double above = number_at(ratio, "/posterior_above").value_or(0);
    text = above > 0 ? fmt::format("From noise level {} on {}; below, a {} discriminator",
                                   number_text(above), mean, kind)
                     : fmt::format("At every noise level {}", mean);
  }
  if (const auto steps = number_at(ratio, "/num_steps"))
    text += ", trained for " + count_text(steps) + " steps";
  if (const auto seconds = number_at(ratio, "/seconds")) text += " in " + seconds_text(seconds);
  if (const auto bce = number_at(ratio, "/heldout_bce"))
    text += fmt::format("; held-out cross-entropy {} nats (ln 2 = 0.693 would be knowing nothing)",
                        number_text(bce));
  return text + ".";
}

Html ratio_html(const Json& ratio) {
  Html html = element("h3", {{"class", "ratio-name"}}, "Ratio “" + text_at(ratio, "/name") + "”");
  html += element("p", {}, facts_text(ratio));
  for (const Json& finding : list_at(ratio, "/findings"))
    html += element("p", {{"class", "warning"}}, text_at(finding, ""));
  const std::vector<Json> levels = list_at(ratio, "/levels");
  html += bce_figure(ratio);
  if (levels.size() > 1)
    html += levels_figure(levels);
  else if (!levels.empty())
    html += to_html(levels_table(levels));
  html += histograms_figure(levels);
  html += calibration_figure(levels);
  return html;
}

}  // namespace

Section ratio_section(const Json& results) {
  Section section = {"ratio", "Density ratio", {}};
  for (const Json& ratio : list_at(results, "/ratios"))
    section.body += element("div", {{"class", "ratio"}}, ratio_html(ratio));
  return section;
}

}  // namespace equipoise::report
