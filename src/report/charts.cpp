#include "report/charts.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "report/number_text.h"

namespace equipoise::report {
namespace {

constexpr int kNumHues = 10;
constexpr int kPlotHeight = 220;
constexpr int kBarHeight = 13;
constexpr int kBandGap = 10;
constexpr const char* kInk = "var(--ink)";
constexpr const char* kPaper = "var(--paper)";
constexpr const char* kMuted = "var(--muted)";
constexpr const char* kTarget = "var(--target)";
constexpr const char* kAccent = "var(--accent)";
const Json kDashes = {4, 3};

Json values(Json rows) {
  return {{"values", std::move(rows)}};
}

Json scale_of(const Axis& axis) {
  Json scale = {{"zero", axis.from_zero}, {"nice", true}};
  if (axis.scale == Scale::kLog) scale = {{"type", "log"}, {"nice", false}};
  if (axis.scale == Scale::kSymlog) scale = {{"type", "symlog"}, {"constant", 0.01}};
  return scale;
}

Json channel(const std::string& field, const Axis& axis) {
  Json style = {{"title", axis.title}};
  if (!axis.format.empty()) style["format"] = axis.format;
  if (axis.scale != Scale::kLinear) style.update({{"tickCount", 5}, {"grid", false}});
  return {{"field", field}, {"type", "quantitative"}, {"scale", scale_of(axis)}, {"axis", style}};
}

Json category(const std::string& field) {
  return {{"field", field},
          {"type", "nominal"},
          {"sort", nullptr},
          {"axis", {{"title", nullptr}, {"ticks", false}}}};
}

/// Colours given by name, with a legend only where there is more than one to tell apart.
Json colours(const std::string& field, const std::vector<std::string>& names,
             const std::vector<std::string>& range) {
  Json colour = {
      {"field", field}, {"type", "nominal"}, {"scale", {{"domain", names}, {"range", range}}}};
  colour["legend"] = names.size() > 1 ? Json{{"title", nullptr}, {"orient", "top"}, {"columns", 4}}
                                      : Json(nullptr);
  return colour;
}

Json layered(int height, Json layers) {
  return {{"width", "container"}, {"height", height}, {"layer", std::move(layers)}};
}

/// Height of a plot with a band for each group and so many bars in it.
int bands_height(size_t num_groups, int num_bars) {
  return std::max(1, static_cast<int>(num_groups)) * (num_bars * kBarHeight + kBandGap);
}

size_t num_groups(const Json& rows, const char* field) {
  std::set<std::string> groups;
  for (const Json& row : rows) groups.insert(row.at(field).get<std::string>());
  return groups.size();
}

Json interval_mark() {
  return {{"type", "rule"}, {"strokeWidth", 1.5}, {"color", kInk}};
}

Json optional_value(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

/// Adds one dashed stroke across each group's band, with a pale edge so that it can be seen on a
/// bar of any colour.
void add_target_layers(Json& layers, const Json& rows) {
  const Json edge = {{"type", "rule"}, {"strokeWidth", 4}, {"color", kPaper}, {"opacity", 0.8}};
  const Json stroke = {{"type", "rule"},
                       {"strokeWidth", 2},
                       {"color", kTarget},
                       {"strokeDash", kDashes},
                       {"tooltip", true}};
  Json from = category("group");
  from["bandPosition"] = 0;
  for (const Json& mark : {edge, stroke}) {
    layers.push_back({{"data", values(rows)},
                      {"mark", mark},
                      {"encoding",
                       {{"y", from},
                        {"y2", {{"field", "group"}, {"bandPosition", 1}}},
                        {"x", {{"field", "target"}, {"type", "quantitative"}}}}}});
  }
}

void add_share_row(Json& rows, const std::string& group, const char* kind,
                   const std::optional<Estimate>& share) {
  if (!share) return;
  rows.push_back({{"group", group},
                  {"kind", kind},
                  {"share", share->value},
                  {"low", optional_value(share->low)},
                  {"high", optional_value(share->high)}});
}

Json guide_layers(const std::vector<Guide>& guides) {
  auto layers = Json::array();
  for (const Guide& guide : guides) {
    const bool is_horizontal = guide.direction == Guide::Direction::kHorizontal;
    const char* along = is_horizontal ? "y" : "x";
    const Json position = {{"datum", guide.at}, {"type", "quantitative"}};
    Json text = {{"type", "text"}, {"text", guide.label}, {"color", kMuted}, {"fontSize", 11}};
    if (is_horizontal)
      text.update({{"x", "width"}, {"dx", -2}, {"dy", -6}, {"align", "right"}});
    else
      text.update({{"y", "height"}, {"dx", 4}, {"dy", -7}, {"align", "left"}});
    layers.push_back({{"data", values({Json::object()})},
                      {"mark", {{"type", "rule"}, {"strokeDash", kDashes}, {"color", kMuted}}},
                      {"encoding", {{along, position}}}});
    layers.push_back(
        {{"data", values({Json::object()})}, {"mark", text}, {"encoding", {{along, position}}}});
  }
  return layers;
}

}  // namespace

std::string method_colour(int hue) {
  return fmt::format("var(--method-{})", hue % kNumHues);
}

Json estimates_chart(const std::vector<MethodEstimate>& estimates, const Axis& axis,
                     std::optional<double> floor) {
  auto rows = Json::array();
  std::vector<std::string> names, range;
  const auto num_of = [&](const std::string& method) {
    return std::ranges::count(estimates, method, &MethodEstimate::method);
  };
  for (const MethodEstimate& row : estimates) {
    if (std::ranges::find(names, row.method) == names.end()) {
      names.push_back(row.method);
      range.push_back(method_colour(row.hue));
    }
    rows.push_back({{"method", row.method},
                    {"value", row.estimate.value},
                    {"label", num_of(row.method) == 1 ? number_text(row.estimate.value) : ""},
                    {"low", optional_value(row.estimate.low)},
                    {"high", optional_value(row.estimate.high)}});
  }
  Json colour = colours("method", names, range);
  colour["legend"] = nullptr;
  auto layers = Json::array();
  if (floor) layers = guide_layers({{Guide::Direction::kVertical, *floor, "floor"}});
  layers.push_back({{"mark", {{"type", "rule"}, {"strokeWidth", 2.5}}},
                    {"encoding",
                     {{"y", category("method")},
                      {"x", channel("low", axis)},
                      {"x2", {{"field", "high"}}},
                      {"color", colour}}}});
  layers.push_back(
      {{"mark",
        {{"type", "point"}, {"filled", true}, {"size", 90}, {"opacity", 1}, {"tooltip", true}}},
       {"encoding",
        {{"y", category("method")}, {"x", channel("value", axis)}, {"color", colour}}}});
  layers.push_back({{"mark", {{"type", "text"}, {"dy", -12}, {"fontWeight", 600}, {"color", kInk}}},
                    {"encoding",
                     {{"y", category("method")},
                      {"x", channel("value", axis)},
                      {"text", {{"field", "label"}, {"type", "nominal"}}}}}});
  Json spec = layered(46 * static_cast<int>(names.size()), layers);
  spec["data"] = values(rows);
  return spec;
}

Json shares_chart(const std::vector<GroupShare>& shares, int hue, double max_share) {
  constexpr const char* kRaw = "as classified";
  constexpr const char* kCorrected = "corrected";
  auto rows = Json::array(), targets = Json::array();
  for (const GroupShare& share : shares) {
    add_share_row(rows, share.group, kRaw, share.raw);
    add_share_row(rows, share.group, kCorrected, share.corrected);
    if (share.target) targets.push_back({{"group", share.group}, {"target", *share.target}});
  }
  Json x = channel("share", {.title = "share of samples", .format = ".0%", .from_zero = true});
  x["scale"]["domain"] = {0, max_share};
  const Json offset = {{"field", "kind"}, {"sort", {kRaw, kCorrected}}};
  const Json opacity = {{"field", "kind"},
                        {"type", "ordinal"},
                        {"scale", {{"domain", {kRaw, kCorrected}}, {"range", {0.4, 0.95}}}},
                        {"legend", nullptr}};
  Json low = x;
  low["field"] = "low";
  const Json bars = {
      {"mark", {{"type", "bar"}, {"color", method_colour(hue)}, {"tooltip", true}}},
      {"encoding",
       {{"y", category("group")}, {"yOffset", offset}, {"x", x}, {"opacity", opacity}}}};
  const Json intervals = {
      {"mark", interval_mark()},
      {"encoding",
       {{"y", category("group")}, {"yOffset", offset}, {"x", low}, {"x2", {{"field", "high"}}}}}};
  auto layers = Json::array({bars});
  add_target_layers(layers, targets);
  layers.push_back(intervals);
  Json spec = layered(bands_height(shares.size(), 2), layers);
  spec["data"] = values(rows);
  return spec;
}

Json composition_chart(const std::vector<SetShare>& shares,
                       const std::vector<std::pair<std::string, double>>& target) {
  auto rows = Json::array(), targets = Json::array();
  std::vector<std::string> sets;
  for (const SetShare& share : shares) {
    if (std::ranges::find(sets, share.set) == sets.end()) sets.push_back(share.set);
    rows.push_back({{"group", share.group}, {"set", share.set}, {"share", share.share}});
  }
  for (const auto& [group, share] : target)
    targets.push_back({{"group", group}, {"target", share}});
  std::vector<std::string> range = {kBiasedColour, kReferenceColour, "var(--set-third)",
                                    "var(--set-fourth)"};
  range.resize(std::min(range.size(), sets.size()));
  const Json bars = {
      {"mark", {{"type", "bar"}, {"tooltip", true}}},
      {"encoding",
       {{"y", category("group")},
        {"yOffset", {{"field", "set"}, {"sort", sets}}},
        {"x", channel("share", {.title = "share of the set", .format = ".0%", .from_zero = true})},
        {"color", colours("set", sets, range)}}}};
  auto layers = Json::array({bars});
  add_target_layers(layers, targets);
  Json spec =
      layered(bands_height(num_groups(rows, "group"), static_cast<int>(sets.size())), layers);
  spec["data"] = values(rows);
  return spec;
}

Json lines_chart(const std::vector<Series>& series, const Axis& x, const Axis& y,
                 const std::vector<Guide>& guides) {
  auto rows = Json::array();
  std::vector<std::string> names, range;
  std::vector<Json> dashes;
  for (const Series& one : series) {
    names.push_back(one.name);
    range.push_back(one.colour);
    dashes.push_back(one.is_dashed ? kDashes : Json{1, 0});
    for (const auto& [at, value] : one.points)
      rows.push_back({{"series", one.name}, {"x", at}, {"y", value}});
  }
  const Json dash = {{"field", "series"},
                     {"type", "nominal"},
                     {"scale", {{"domain", names}, {"range", dashes}}},
                     {"legend", names.size() > 1 ? Json{{"symbolType", "stroke"}} : Json(nullptr)}};
  Json layers = guide_layers(guides);
  layers.push_back({{"data", values(rows)},
                    {"mark",
                     {{"type", "line"},
                      {"strokeWidth", 2},
                      {"interpolate", "linear"},
                      {"point", {{"size", 16}, {"filled", true}}},
                      {"tooltip", true}}},
                    {"encoding",
                     {{"x", channel("x", x)},
                      {"y", channel("y", y)},
                      {"color", colours("series", names, range)},
                      {"strokeDash", dash}}}});
  return layered(kPlotHeight, layers);
}

Json calibration_chart(const std::vector<CalibrationPoint>& points) {
  auto rows = Json::array();
  for (const CalibrationPoint& point : points)
    rows.push_back(
        {{"predicted", point.predicted}, {"observed", point.observed}, {"count", point.count}});
  const Axis predicted = {.title = "predicted P(reference)", .format = ".1f"};
  const Axis observed = {.title = "observed share", .format = ".1f"};
  Json x = channel("predicted", predicted), y = channel("observed", observed);
  for (Json* axis : {&x, &y}) {
    (*axis)["scale"] = {{"domain", {0, 1}}};
    (*axis)["axis"]["tickCount"] = 3;
  }
  const Json diagonal = {
      {"data", values({{{"predicted", 0}, {"observed", 0}}, {{"predicted", 1}, {"observed", 1}}})},
      {"mark",
       {{"type", "line"}, {"strokeDash", kDashes}, {"color", kTarget}, {"strokeWidth", 1.5}}},
      {"encoding", {{"x", x}, {"y", y}}}};
  const Json curve = {{"mark", {{"type", "line"}, {"color", kAccent}, {"strokeWidth", 1.5}}},
                      {"encoding", {{"x", x}, {"y", y}}}};
  const Json dots = {
      {"mark", {{"type", "circle"}, {"color", kAccent}, {"opacity", 0.9}, {"tooltip", true}}},
      {"encoding",
       {{"x", x},
        {"y", y},
        {"size",
         {{"field", "count"},
          {"type", "quantitative"},
          {"scale", {{"range", {12, 140}}}},
          {"legend", nullptr}}}}}};
  Json spec = layered(170, {diagonal, curve, dots});
  spec["data"] = values(rows);
  return spec;
}

Json histograms_chart(const std::vector<double>& edges, const std::vector<double>& biased_counts,
                      const std::vector<double>& reference_counts, const Axis& x) {
  auto rows = Json::array();
  const auto add = [&](const char* set, const std::vector<double>& counts) {
    double total = 0;
    for (double count : counts) total += count;
    for (size_t i = 0; i < counts.size() && i + 1 < edges.size(); ++i) {
      if (counts[i] > 0)
        rows.push_back(
            {{"set", set}, {"from", edges[i]}, {"to", edges[i + 1]}, {"share", counts[i] / total}});
    }
  };
  add("biased", biased_counts);
  add("reference", reference_counts);
  const Json y =
      channel("share", {.title = "share of the set", .format = ".0%", .from_zero = true});
  Json spec = {
      {"width", "container"},
      {"height", 150},
      {"data", values(rows)},
      {"mark", {{"type", "rect"}, {"opacity", 0.6}, {"tooltip", true}}},
      {"encoding",
       {{"x", channel("from", x)},
        {"x2", {{"field", "to"}}},
        {"y", y},
        {"y2", {{"datum", 0}}},
        {"color", colours("set", {"biased", "reference"}, {kBiasedColour, kReferenceColour})}}}};
  return spec;
}

Json quantiles_chart(const std::vector<QuantilePoint>& points, const Axis& x, const Axis& y) {
  auto rows = Json::array();
  for (const QuantilePoint& point : points)
    rows.push_back({{"x", point.x},
                    {"p05", point.p05},
                    {"p25", point.p25},
                    {"p50", point.p50},
                    {"p75", point.p75},
                    {"p95", point.p95}});
  const auto band = [&](const char* low, const char* high, double opacity) -> Json {
    return {
        {"mark", {{"type", "area"}, {"color", kAccent}, {"opacity", opacity}}},
        {"encoding", {{"x", channel("x", x)}, {"y", channel(low, y)}, {"y2", {{"field", high}}}}}};
  };
  const Json median = {{"mark",
                        {{"type", "line"},
                         {"color", kAccent},
                         {"strokeWidth", 2},
                         {"point", {{"size", 16}, {"color", kAccent}}},
                         {"tooltip", true}}},
                       {"encoding", {{"x", channel("x", x)}, {"y", channel("p50", y)}}}};
  Json layers = guide_layers({{Guide::Direction::kHorizontal, 1, "weight 1"}});
  layers.push_back(band("p05", "p95", 0.18));
  layers.push_back(band("p25", "p75", 0.35));
  layers.push_back(median);
  Json spec = layered(kPlotHeight, layers);
  spec["data"] = values(rows);
  return spec;
}

Json confusion_chart(const std::vector<std::string>& names,
                     const std::vector<std::vector<double>>& row_shares,
                     const std::string& columns_title) {
  auto rows = Json::array();
  for (size_t truth = 0; truth < row_shares.size(); ++truth) {
    for (size_t predicted = 0; predicted < row_shares[truth].size(); ++predicted)
      rows.push_back({{"true class", class_name(names, truth)},
                      {columns_title, class_name(names, predicted)},
                      {"share", row_shares[truth][predicted]}});
  }
  Json x = category(columns_title), y = category("true class");
  x["scale"] = y["scale"] = {{"paddingInner", 0.04}, {"paddingOuter", 0}};
  x["axis"] = {{"title", columns_title}, {"orient", "top"}, {"labelAngle", -45}, {"ticks", false}};
  y["axis"] = {{"title", "true class"}, {"ticks", false}};
  // Pale enough at 100 % for the text on it, in light and dark.
  const Json cells = {{"mark", {{"type", "rect"}, {"color", kAccent}, {"tooltip", true}}},
                      {"encoding",
                       {{"x", x},
                        {"y", y},
                        {"opacity",
                         {{"field", "share"},
                          {"type", "quantitative"},
                          {"scale", {{"domain", {0, 1}}, {"range", {0, 0.55}}}},
                          {"legend", nullptr}}}}}};
  const Json labels = {
      {"transform", {{{"filter", "datum.share >= 0.005"}}}},
      {"mark", {{"type", "text"}, {"fontSize", 11}, {"color", kInk}}},
      {"encoding",
       {{"x", x},
        {"y", y},
        {"text", {{"field", "share"}, {"type", "quantitative"}, {"format", ".0%"}}}}}};
  Json spec = layered(30 * static_cast<int>(row_shares.size()), {cells, labels});
  spec["data"] = values(rows);
  return spec;
}

}  // namespace equipoise::report
