// Curves thinned to what a page can show.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "report/charts.h"
#include "report/results.h"
#include "report/table.h"

namespace equipoise::report {

using Points = std::vector<std::pair<double, double>>;

/// (x, y) of every record that has both.
Points read_points(const std::vector<Json>& records, const std::string& x, const std::string& y);
/// At most `max_points`, each the mean of as many neighbours as needed.
Points thin_out(const Points& points, size_t max_points);
/// One row a point: series, x, y.
Table series_table(const std::string& caption, const std::vector<Series>& series,
                   const std::string& x_title, const std::string& y_title);

}  // namespace equipoise::report
