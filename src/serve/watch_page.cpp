#include "serve/watch_page.h"

#include <algorithm>
#include <cctype>
#include <ctime>
#include <optional>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "report/assets.h"
#include "report/figure.h"
#include "report/number_text.h"
#include "report/series.h"

namespace equipoise::serve {
namespace {

using report::element;
using report::Html;
using report::void_element;

constexpr size_t kMaxPoints = 200;

/// A run that is shown below the list, with its colour.
struct ChosenRun {
  const RunView& run;
  int hue;
};

std::vector<ChosenRun> chosen_runs(const std::vector<RunView>& runs,
                                   const std::vector<size_t>& chosen) {
  std::vector<ChosenRun> found;
  for (const RunView& run : runs)
    if (std::find(chosen.begin(), chosen.end(), run.id) != chosen.end())
      found.push_back({run, static_cast<int>(found.size())});
  return found;
}

Html time_html(int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm local{};
  localtime_r(&time, &local);
  return element("time", {{"datetime", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(time))}},
                 fmt::format("{:%Y-%m-%d %H:%M:%S}", local));
}

Html run_cell(const RunView& run, std::optional<int> hue) {
  const std::string id = fmt::format("run-{}", run.id);
  report::Attributes box{
      {"type", "checkbox"}, {"name", "run"}, {"value", std::to_string(run.id)}, {"id", id}};
  if (hue) box.emplace_back("checked", "");
  Html label = report::colour_key(hue.value_or(report::kNoHue));
  label += run.name;
  Html html = void_element("input", box);
  html += element("label", {{"for", id}, {"title", run.title}}, label);
  return element("th", {{"scope", "row"}}, html);
}

Html state_cell(const RunView& run) {
  const std::string state = state_name(run.state);
  Html html = element("span", {{"class", "state " + state}}, state);
  if (!run.problem.empty()) html += element("div", {{"class", "problem"}}, run.problem);
  return element("td", {}, html);
}

Html progress_cell(const RunView& run) {
  const StageView* stage = stage_under_way(run);
  if (!stage) {
    const bool trains_nothing = run.state == RunState::kRunning && !run.stages.empty();
    return element("td", {}, trains_nothing ? "samples and measurements" : report::kAbsent);
  }
  const std::string images = report::count_text(static_cast<double>(stage->images));
  if (!stage->num_images || *stage->num_images <= 0)
    return element("td", {}, fmt::format("{}: {} images", stage->name, images));
  const double share =
      std::min(1.0, static_cast<double>(stage->images) / static_cast<double>(*stage->num_images));
  const std::string text = fmt::format("{}: {:.0f} % of {} images", stage->name, 100 * share,
                                       report::count_text(static_cast<double>(*stage->num_images)));
  Html html =
      element("progress",
              {{"max", "1"}, {"value", fmt::format("{:.4f}", share)}, {"aria-label", text}}, {});
  html += text;
  return element("td", {}, html);
}

Html number_cell(const nlohmann::json& line, const char* name) {
  return element("td", {{"class", "number"}},
                 report::number_text(report::number_at(line, std::string("/") + name)));
}

Html run_row(const RunView& run, std::optional<int> hue) {
  const nlohmann::json last =
      run.stages.empty() ? nlohmann::json::object() : run.stages.back().lines.back();
  Html cells = run_cell(run, hue);
  cells += state_cell(run);
  cells += progress_cell(run);
  cells += number_cell(last, "loss");
  cells += number_cell(last, "heldout_loss");
  cells += element("td", {}, time_html(run.changed_sec));
  const std::string address = fmt::format("/runs/{}/report.html", run.id);
  cells += element("td", {},
                   run.has_report ? element("a", {{"href", address}}, "Report of " + run.name)
                                  : Html(report::kAbsent));
  return element("tr", {}, cells);
}

Html runs_part(const std::vector<RunView>& runs, const std::vector<size_t>& chosen) {
  if (runs.empty()) return element("p", {}, "There is no run yet.");
  Html titles;
  for (const char* title : {"Run", "State", "Under way"})
    titles += element("th", {{"scope", "col"}}, title);
  for (const char* title : {"Loss", "Held-out loss"})
    titles += element("th", {{"scope", "col"}, {"class", "number"}}, title);
  for (const char* title : {"Last change", "Report"})
    titles += element("th", {{"scope", "col"}}, title);
  Html rows;
  const std::vector<ChosenRun> shown = chosen_runs(runs, chosen);
  for (const RunView& run : runs) {
    const auto found = std::find_if(shown.begin(), shown.end(), [&](const ChosenRun& candidate) {
      return candidate.run.id == run.id;
    });
    rows += run_row(run, found == shown.end() ? std::nullopt : std::optional(found->hue));
  }
  Html table = element("thead", {}, element("tr", {}, titles));
  table += element("tbody", {}, rows);
  return element(
      "div",
      {{"class", "scroll runs"}, {"role", "region"}, {"tabindex", "0"}, {"aria-label", "Runs"}},
      element("table", {}, table));
}

std::vector<std::string> stage_names(const std::vector<ChosenRun>& runs) {
  std::vector<std::string> names;
  for (const ChosenRun& chosen : runs)
    for (const StageView& stage : chosen.run.stages)
      if (std::find(names.begin(), names.end(), stage.name) == names.end())
        names.push_back(stage.name);
  return names;
}

void add_series(std::vector<report::Series>& all, const ChosenRun& chosen, const StageView& stage) {
  const std::string colour = report::method_colour(chosen.hue);
  const auto add = [&](const char* field, const char* what, bool is_dashed) {
    report::Points points =
        report::thin_out(report::read_points(stage.lines, "images", field), kMaxPoints);
    if (!points.empty())
      all.push_back({chosen.run.name + ", " + what, colour, is_dashed, std::move(points)});
  };
  add("loss", "training", false);
  add("heldout_loss", "held out", true);
}

Html stage_figure(const std::vector<ChosenRun>& runs, const std::string& name) {
  std::vector<report::Series> series;
  for (const ChosenRun& chosen : runs)
    for (const StageView& stage : chosen.run.stages)
      if (stage.name == name) add_series(series, chosen, stage);
  if (series.empty()) return {};
  return to_html(report::Figure{
      .title = name,
      .caption = "",
      .panels = {{.title = "",
                  .alt_text = "Losses of stage " + name +
                              " over the number of training images, one colour a run; the numbers "
                              "are in the table below.",
                  .spec = report::lines_chart(series, {.title = "training images", .format = ",d"},
                                              {.title = "loss"})}},
      .data = report::series_table("Losses of " + name, series, "Training images", "Loss"),
      .arrangement = report::Arrangement::kOne});
}

Html curves_part(const std::vector<ChosenRun>& runs) {
  Html figures;
  for (const std::string& name : stage_names(runs)) figures += stage_figure(runs, name);
  return figures.empty() ? element("p", {}, "Nothing has been trained yet.") : figures;
}

/// `name` with every byte written as %XX that could mean something in an address.
std::string percent_encoded(const std::string& name) {
  std::string text;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.';
    text += is_plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return text;
}

Html grid_html(const ChosenRun& chosen, const GridView& grid) {
  const std::string name = grid.file.substr(0, grid.file.rfind('.'));
  Html caption = report::colour_key(chosen.hue);
  caption += element("strong", {}, chosen.run.name + ", " + name);
  caption += " ";
  caption += time_html(grid.changed_sec);
  Html html = element("figcaption", {}, caption);
  // The time of its last change makes the browser ask anew once the grid has been replaced.
  html += void_element("img", {{"src", fmt::format("/runs/{}/samples/{}?changed={}", chosen.run.id,
                                                   percent_encoded(grid.file), grid.changed_sec)},
                               {"alt", "Grid of samples " + name + " of run " + chosen.run.name}});
  return element("figure", {{"class", "grid"}}, html);
}

Html samples_part(const std::vector<ChosenRun>& runs) {
  Html grids;
  for (const ChosenRun& chosen : runs)
    for (const GridView& grid : chosen.run.grids) grids += grid_html(chosen, grid);
  if (grids.empty()) return element("p", {}, "No samples have been drawn yet.");
  return element("div", {{"class", "grids"}}, grids);
}

Html head() {
  Html html = void_element("meta", {{"charset", "utf-8"}});
  html += void_element("meta",
                       {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
  html += void_element("meta", {{"name", "color-scheme"}, {"content", "light dark"}});
  html += void_element("link", {{"rel", "icon"}, {"href", "data:,"}});
  html += element("title", {}, "Equipoise: runs");
  html += void_element("link", {{"rel", "stylesheet"}, {"href", "/assets/style.css"}});
  return element("head", {}, html);
}

Html section(const std::string& id, const std::string& title, const Html& content) {
  Html html = element("h2", {{"id", id + "-title"}}, title);
  html += content;
  return element("section", {{"id", id}, {"aria-labelledby", id + "-title"}}, html);
}

Html part(const std::string& name, const Html& content) {
  return element("div", {{"id", "part-" + name}}, content);
}

Html navigation() {
  Html items;
  for (const auto& [id, title] :
       {std::pair("runs", "Runs"), std::pair("curves", "Curves"), std::pair("samples", "Samples")})
    items += element("li", {}, element("a", {{"href", std::string("#") + id}}, title));
  return element("nav", {{"aria-label", "Sections"}}, element("ol", {}, items));
}

Html masthead() {
  Html html = element("p", {{"class", "kicker"}}, "Equipoise");
  html += element("h1", {}, "Runs as they go");
  return element("header", {}, html);
}

Html script(const std::string& address) {
  return element("script", {{"src", address}}, {});
}

}  // namespace

std::vector<size_t> default_choice(const std::vector<RunView>& runs) {
  std::vector<const RunView*> latest;
  for (const RunView& run : runs) latest.push_back(&run);
  std::stable_sort(latest.begin(), latest.end(), [](const RunView* a, const RunView* b) {
    return a->changed_sec > b->changed_sec;
  });
  latest.resize(std::min(latest.size(), kMaxDefaultChoice));
  std::vector<size_t> ids;
  for (const RunView* run : latest) ids.push_back(run->id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

nlohmann::json watch_parts(const std::vector<RunView>& runs, const std::vector<size_t>& chosen) {
  const std::vector<ChosenRun> shown = chosen_runs(runs, chosen);
  return {{"runs", runs_part(runs, chosen).str()},
          {"curves", curves_part(shown).str()},
          {"samples", samples_part(shown).str()}};
}

std::string watch_page(const std::vector<RunView>& runs, const std::vector<size_t>& chosen) {
  const std::vector<ChosenRun> shown = chosen_runs(runs, chosen);
  Html choice = part("runs", runs_part(runs, chosen));
  choice += element("button", {{"class", "choose"}}, "Compare the chosen runs");
  Html content = masthead();
  content += element("p", {{"id", "status"}, {"role", "status"}}, {});
  content +=
      section("runs", "Runs",
              element("form", {{"id", "choice"}, {"method", "get"}, {"action", "/"}}, choice));
  content += section("curves", "Curves", part("curves", curves_part(shown)));
  content += section("samples", "Samples", part("samples", samples_part(shown)));
  Html body = element("a", {{"class", "skip"}, {"href", "#content"}}, "Skip to the content");
  body += navigation();
  body += element("main", {{"id", "content"}}, content);
  if (!report::chart_library().empty()) {
    body += script("/assets/charts.js");
    body += script("/assets/report.js");
  }
  body += script("/assets/watch.js");
  Html page = head();
  page += element("body", {}, body);
  return "<!doctype html>\n" + element("html", {{"lang", "en"}}, page).str();
}

}  // namespace equipoise::serve
