// Vega-Lite specifications of the report's charts. They hold data and marks only; type, grid and
// text colours come from the page's script, and every colour is a CSS variable of the page, so that
// one drawing serves light, dark and print.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "report/results.h"

namespace equipoise::report {

/// The CSS variable of the method at this place in the results, the same in every chart and table.
std::string method_colour(int hue);

inline constexpr const char* kBiasedColour = "var(--set-biased)";
inline constexpr const char* kReferenceColour = "var(--set-reference)";

enum class Scale { kLinear, kLog, kSymlog };

struct Axis {
  std::string title;
  Scale scale = Scale::kLinear;
  std::string format{};  ///< d3-format, "" = chosen by Vega
  bool from_zero = false;
};

/// One estimate per method with its interval, as points on a common axis.
struct MethodEstimate {
  std::string method;
  int hue = 0;
  Estimate estimate;
};
/// Several of one method share its line and go without their numbers. `floor`: a dashed line, such
/// as what real images score.
Json estimates_chart(const std::vector<MethodEstimate>& estimates, const Axis& axis,
                     std::optional<double> floor);

/// A class's share as counted and as corrected for the classifier's errors, against the target.
struct GroupShare {
  std::string group;
  std::optional<Estimate> raw, corrected;
  std::optional<double> target;
};
/// One method: two bars a class with intervals, the target dashed. `max_share` makes several charts
/// comparable.
Json shares_chart(const std::vector<GroupShare>& shares, int hue, double max_share);

/// Shares of each class in each set, the target dashed.
struct SetShare {
  std::string set;
  std::string group;
  double share = 0;
};
Json composition_chart(const std::vector<SetShare>& shares,
                       const std::vector<std::pair<std::string, double>>& target);

struct Series {
  std::string name;
  std::string colour;
  bool is_dashed = false;
  std::vector<std::pair<double, double>> points;
};
/// A horizontal or vertical line that gives a curve its meaning: chance level, chosen snapshot.
struct Guide {
  enum class Direction { kHorizontal, kVertical } direction;
  double at = 0;
  std::string label;
};
Json lines_chart(const std::vector<Series>& series, const Axis& x, const Axis& y,
                 const std::vector<Guide>& guides = {});

struct CalibrationPoint {
  double predicted = 0;
  double observed = 0;
  double count = 0;
};
/// Observed against predicted frequency; the dashed diagonal is perfect calibration.
Json calibration_chart(const std::vector<CalibrationPoint>& points);

/// Two histograms over the same edges, each as shares of its own set.
Json histograms_chart(const std::vector<double>& edges, const std::vector<double>& biased_counts,
                      const std::vector<double>& reference_counts, const Axis& x);

/// Bands between the 5 and 95 % and the 25 and 75 % quantiles, and the median.
struct QuantilePoint {
  double x = 0;
  double p05 = 0, p25 = 0, p50 = 0, p75 = 0, p95 = 0;
};
Json quantiles_chart(const std::vector<QuantilePoint>& points, const Axis& x, const Axis& y);

/// Rows are true classes, columns what was made of them, each cell the share of its row.
Json confusion_chart(const std::vector<std::string>& names,
                     const std::vector<std::vector<double>>& row_shares,
                     const std::string& columns_title);

}  // namespace equipoise::report
