#include "io/json_lines.h"
#include "report/figure.h"
#include "report/sections.h"
#include "report/series.h"

namespace equipoise::report {
namespace {

constexpr size_t kMaxPoints = 60;

std::vector<Json> read_stats(const std::filesystem::path& run_dir) {
  const std::filesystem::path path = run_dir / "stats.jsonl";
  if (!std::filesystem::exists(path)) return {};
  return io::read_json_lines(path, io::LastLine::kMayBeTorn);
}

std::vector<Json> curve_of(const Json& method, const std::vector<Json>& stats) {
  std::vector<Json> curve = list_at(method, "/training/curve");
  if (!curve.empty()) return curve;
  for (const Json& record : stats) {
    if (text_at(record, "/stage") == text_at(method, "/name")) curve.push_back(record);
  }
  return curve;
}

Panel curve_panel(const std::string& title, const std::vector<Series>& series) {
  return {
      title,
      title +
          " of each method over the number of training images; the numbers are in the table below.",
      lines_chart(series, {.title = "training images", .format = ",d"},
                  {.title = "loss", .format = "~g"})};
}

}  // namespace

Section training_section(const Json& results, const std::filesystem::path& run_dir) {
  Section section = {"training", "Training", {}};
  const std::vector<Json> methods = list_at(results, "/methods"), stats = read_stats(run_dir);
  std::vector<Series> training, heldout, all;
  for (size_t i = 0; i < methods.size(); ++i) {
    const std::vector<Json> curve = curve_of(methods[i], stats);
    const std::string title = method_title(methods[i]), colour = method_colour(static_cast<int>(i));
    const Points loss = thin_out(read_points(curve, "images", "loss"), kMaxPoints);
    const Points heldout_loss = thin_out(read_points(curve, "images", "heldout_loss"), kMaxPoints);
    if (!loss.empty()) {
      training.push_back({title, colour, false, loss});
      all.push_back({title + ", training", colour, false, loss});
    }
    if (!heldout_loss.empty()) {
      heldout.push_back({title, colour, false, heldout_loss});
      all.push_back({title + ", held out", colour, false, heldout_loss});
    }
  }
  if (all.empty()) return section;
  Figure figure = {
      .title = "Loss curves",
      .caption =
          "Losses of different methods have different scales: compare a curve with itself over "
          "time, not with the others. Long curves are averaged down to 60 points.",
      .panels = {},
      .data = series_table("Loss by training images", all, "Training images", "Loss")};
  if (!training.empty()) figure.panels.push_back(curve_panel("Training loss", training));
  if (!heldout.empty()) figure.panels.push_back(curve_panel("Held-out loss", heldout));
  section.body += to_html(figure);
  return section;
}

}  // namespace equipoise::report
