#include "report/series.h"

#include <algorithm>

#include "report/number_text.h"

namespace equipoise::report {

Points read_points(const std::vector<Json>& records, const std::string& x, const std::string& y) {
  Points points;
  for (const Json& record : records) {
    const auto at = number_at(record, "/" + x), value = number_at(record, "/" + y);
    if (at && value) points.emplace_back(*at, *value);
  }
  return points;
}

Points thin_out(const Points& points, size_t max_points) {
  if (points.size() <= max_points) return points;
  const size_t group_size = (points.size() + max_points - 1) / max_points;
  Points thin;
  for (size_t begin = 0; begin < points.size(); begin += group_size) {
    const size_t end = std::min(begin + group_size, points.size());
    double x = 0, y = 0;
    for (size_t i = begin; i < end; ++i) {
      x += points[i].first;
      y += points[i].second;
    }
    const auto count = static_cast<double>(end - begin);
    thin.emplace_back(x / count, y / count);
  }
  return thin;
}

Table series_table(const std::string& caption, const std::vector<Series>& series,
                   const std::string& x_title, const std::string& y_title) {
  Table table = {
      .caption = caption, .columns = {{"Curve"}, {x_title, true}, {y_title, true}}, .rows = {}};
  for (const Series& one : series) {
    for (const auto& [x, y] : one.points)
      table.rows.push_back({.cells = {one.name, number_text(x), number_text(y)}});
  }
  return table;
}

}  // namespace equipoise::report
