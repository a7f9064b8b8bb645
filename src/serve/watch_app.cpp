#include "serve/watch_app.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "report/assets.h"
#include "report/page.h"
#include "serve/page_assets.h"
#include "serve/run_view.h"
#include "serve/watch_page.h"

namespace equipoise::serve {
namespace {

constexpr const char* kHtml = "text/html; charset=utf-8";
constexpr const char* kScript = "text/javascript; charset=utf-8";
constexpr const char* kGridEnd = ".png";
constexpr std::string_view kRunsAddress = "/runs/", kRunsApiAddress = "/api/runs/";

Response not_found() {
  return {.status = 404, .body = "There is nothing at this address.\n"};
}

Response json_response(const nlohmann::ordered_json& json) {
  // Names of files may hold bytes that are no UTF-8.
  return {.type = "application/json",
          .body = json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)};
}

std::vector<RunView> look_at_all(const std::vector<RunFiles>& runs) {
  std::vector<RunView> views;
  for (size_t id = 0; id < runs.size(); ++id) views.push_back(look_at(runs[id], id));
  return views;
}

std::optional<size_t> number(std::string_view text) {
  size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = error == std::errc() && end == text.data() + text.size() && !text.empty();
  return is_number ? std::optional(value) : std::nullopt;
}

/// The ids that the query names; those that changed last when it names nothing at all.
std::vector<size_t> chosen_ids(const Request& request, const std::vector<RunView>& views) {
  const auto [begin, end] = request.query.equal_range("run");
  if (begin == end) return default_choice(views);
  std::vector<size_t> ids;
  for (auto entry = begin; entry != end; ++entry)
    if (const auto id = number(entry->second)) ids.push_back(*id);
  return ids;
}

std::optional<Response> asset(const std::string& path) {
  const auto text = [](const char* type, std::string_view body) {
    return Response{.type = type, .body = std::string(body)};
  };
  if (path == "/assets/style.css")
    return text("text/css; charset=utf-8",
                std::string(report::style_sheet()) + std::string(watch_style()));
  if (path == "/assets/charts.js") return text(kScript, report::chart_library());
  if (path == "/assets/report.js") return text(kScript, report::page_script());
  if (path == "/assets/watch.js") return text(kScript, watch_script());
  return std::nullopt;
}

/// A file of a run: its report, or a grid of samples.
Response file_response(const RunFiles& run, std::string_view name) {
  const bool is_report = name == "report.html";
  const bool is_grid = name.starts_with("samples/") && name.ends_with(kGridEnd) &&
                       std::count(name.begin(), name.end(), '/') == 1;
  if (!is_report && !is_grid) return not_found();
  auto bytes = run.read(name);
  if (!bytes) return not_found();
  if (is_grid) return {.type = "image/png", .body = std::move(*bytes)};
  // A report may come from anywhere: it gets no access to this server.
  return {.type = kHtml,
          .body = std::move(*bytes),
          .policy = std::string(report::kContentPolicy) + "; sandbox allow-scripts"};
}

/// "ID/NAME" or "ID": the run, and what of it.
Response run_response(const std::vector<RunFiles>& runs, std::string_view rest, bool is_api) {
  const size_t slash = std::min(rest.find('/'), rest.size());
  const auto id = number(rest.substr(0, slash));
  if (!id || *id >= runs.size()) return not_found();
  if (is_api)
    return slash == rest.size() ? json_response(to_json(look_at(runs[*id], *id))) : not_found();
  return slash < rest.size() ? file_response(runs[*id], rest.substr(slash + 1)) : not_found();
}

}  // namespace

Response WatchApp::respond(const Request& request) {
  if (auto found = asset(request.path)) return *found;
  const std::vector<RunFiles> runs = list_.runs();
  const std::string_view path = request.path;
  if (path.starts_with(kRunsAddress))
    return run_response(runs, path.substr(kRunsAddress.size()), /*is_api=*/false);
  if (path.starts_with(kRunsApiAddress))
    return run_response(runs, path.substr(kRunsApiAddress.size()), /*is_api=*/true);
  if (path != "/" && path != "/api/runs" && path != "/api/parts") return not_found();
  const std::vector<RunView> views = look_at_all(runs);
  if (path == "/")
    return {.type = kHtml,
            .body = watch_page(views, chosen_ids(request, views)),
            .policy = kWatchPolicy};
  if (path == "/api/parts") return json_response(watch_parts(views, chosen_ids(request, views)));
  nlohmann::ordered_json json{{"format", "equipoise-serve/1"},
                              {"runs", nlohmann::ordered_json::array()}};
  for (const RunView& view : views) json["runs"].push_back(summary_json(view));
  return json_response(json);
}

}  // namespace equipoise::serve
