#include <algorithm>
#include <cmath>
#include <map>

#include "report/figure.h"
#include "report/number_text.h"
#include "report/sections.h"
#include "report/series.h"

namespace equipoise::report {
namespace {

constexpr int kMaxBins = 30;

/// "heun:steps=18" of {"type": "heun", "steps": 18}.
std::string named_options_text(const Json& named) {
  std::string text = text_at(named, "/type");
  Json options = named;
  options.erase("type");
  const std::string listed = properties_text(options);
  return listed.empty() ? text : text + " (" + listed + ")";
}

std::string guidance_text(const Json& samples) {
  std::string text;
  for (const Json& term : list_at(samples, "/guidance"))
    text += (text.empty() ? "" : ", ") + named_options_text(term);
  return text.empty() ? "none" : text;
}

bool has_rejection(const Json& samples) {
  return value_at(samples, "/rejection/counts").is_object();
}

Table costs_table(const std::vector<Json>& methods) {
  Table table = {.caption = "How each method was sampled, and what an image cost",
                 .columns = {{"Method"},
                             {"Solver"},
                             {"Guidance"},
                             {"Rejection"},
                             {"Network calls", true},
                             {"of the attempt that succeeded", true},
                             {"Calls of other networks", true},
                             {"Seconds for 1,000 images", true}},
                 .rows = {}};
  for (size_t i = 0; i < methods.size(); ++i) {
    const Json& samples = value_at(methods[i], "/samples");
    if (!samples.is_object()) continue;
    const auto num = number_at(samples, "/num"), seconds = number_at(samples, "/seconds"),
               guidance_calls = number_at(samples, "/network_calls/guidance"),
               ratio_calls = number_at(samples, "/network_calls/rejection");
    const bool is_rejecting = has_rejection(samples);
    table.rows.push_back(
        {.cells = {method_title(methods[i]), named_options_text(value_at(samples, "/sampler")),
                   guidance_text(samples),
                   is_rejecting
                       ? "percentile " + number_text(number_at(samples, "/rejection/percentile"))
                       : "none",
                   number_text(number_at(samples, "/calls/mean")),
                   number_text(number_at(samples, "/calls/mean_of_last_attempt")),
                   num && guidance_calls && ratio_calls
                       ? number_text((*guidance_calls + *ratio_calls) / *num)
                       : "–",
                   num && seconds ? number_text(1000 * *seconds / *num) : "–"},
         .hue = static_cast<int>(i)});
  }
  return table;
}

/// Share of the tests that accepted, by level (0 = the prior).
Points acceptance_of(const Json& samples) {
  const std::vector<Json> tested = list_at(samples, "/rejection/counts/tested"),
                          accepted = list_at(samples, "/rejection/counts/accepted");
  Points points;
  for (size_t level = 0; level < std::min(tested.size(), accepted.size()); ++level) {
    const double count = tested[level].get<double>();
    if (count > 0)
      points.emplace_back(static_cast<double>(level), accepted[level].get<double>() / count);
  }
  return points;
}

/// Share of images by the number of calls they cost, in bins as wide as it takes to have at most
/// kMaxBins; each stands at its middle, empty ones are left out.
Points call_shares(const Json& samples) {
  const double total = number_at(samples, "/num").value_or(1);
  std::map<double, double> images_at;  // by calls
  for (const Json& entry : list_at(samples, "/calls/histogram"))
    images_at[number_at(entry, "/calls").value_or(0)] += number_at(entry, "/images").value_or(0);
  if (images_at.empty()) return {};
  const double first = images_at.begin()->first,
               width = std::ceil((images_at.rbegin()->first - first + 1) / kMaxBins);
  std::map<double, double> images_in;  // by the middle of the bin
  for (const auto& [calls, images] : images_at)
    images_in[first + std::floor((calls - first) / width) * width + (width - 1) / 2] += images;
  Points points;
  for (const auto& [calls, images] : images_in) points.emplace_back(calls, images / total);
  return points;
}

struct Curves {
  std::vector<Series> acceptance, calls;
};

Curves rejection_curves(const std::vector<Json>& methods) {
  Curves curves;
  for (size_t i = 0; i < methods.size(); ++i) {
    const Json& samples = value_at(methods[i], "/samples");
    if (!has_rejection(samples)) continue;
    const std::string title = method_title(methods[i]), colour = method_colour(static_cast<int>(i));
    curves.acceptance.push_back({title, colour, false, acceptance_of(samples)});
    curves.calls.push_back({title, colour, false, call_shares(samples)});
  }
  return curves;
}

Html rejection_figure(const std::vector<Json>& methods) {
  const Curves curves = rejection_curves(methods);
  if (curves.acceptance.empty()) return {};
  Html html = to_html(Figure{
      .title = "Acceptance by level",
      .caption = "Share of the tests at each level of the solver that let an image pass; level 0 "
                 "is the starting noise, the last one the finished image.",
      .panels = {{"",
                  "Share of accepted tests over the levels of the solver; the numbers are in the "
                  "table below.",
                  lines_chart(curves.acceptance, {.title = "level", .format = "d"},
                              {.title = "accepted", .format = ".0%"})}},
      .data = series_table("Acceptance by level", curves.acceptance, "Level", "Accepted"),
      .arrangement = Arrangement::kOne});
  html += to_html(Figure{
      .title = "What images cost",
      .caption = "Share of images by the denoiser calls spent on them, calls of discarded attempts "
                 "included.",
      .panels = {{"", "Share of images over denoiser calls; the numbers are in the table below.",
                  lines_chart(curves.calls, {.title = "denoiser calls", .format = "d"},
                              {.title = "images", .format = ".0%"})}},
      .data = series_table("Images by denoiser calls", curves.calls, "Calls", "Share of images"),
      .arrangement = Arrangement::kOne});
  return html;
}

/// What each model's discriminator can tell, and what it says, by noise level.
Html guides_figure(const Json& results) {
  std::vector<Series> series, log_ratios;
  const std::vector<Json> methods = list_at(results, "/methods");
  for (size_t i = 0; i < methods.size(); ++i) {
    const std::vector<Json> levels =
        list_at(results, "/guides/" + text_at(methods[i], "/name") + "/levels");
    if (levels.empty()) continue;
    const std::string title = method_title(methods[i]), colour = method_colour(static_cast<int>(i));
    series.push_back({title, colour, false, read_points(levels, "sigma", "bce")});
    log_ratios.push_back({title + ": real images", colour, false,
                          read_points(levels, "sigma", "log_ratio_reference")});
    log_ratios.push_back(
        {title + ": samples", colour, true, read_points(levels, "sigma", "log_ratio_biased")});
  }
  if (series.empty()) return {};
  Html html = to_html(Figure{
      .title = "What the discriminators know",
      .caption = "Held-out cross-entropy between samples of each model and real images, by noise "
                 "level; ln 2 = 0.693 means that it cannot tell them apart, and that there is "
                 "nothing to correct.",
      .panels = {{"",
                  "Cross-entropy of each model's discriminator over the noise level; the numbers "
                  "are in the table below.",
                  lines_chart(series,
                              {.title = "noise level σ", .scale = Scale::kLog, .format = "~g"},
                              {.title = "cross-entropy (nats)", .format = ".3f"})}},
      .data = series_table("Cross-entropy by noise level", series, "σ", "Nats"),
      .arrangement = Arrangement::kOne});
  html += to_html(Figure{
      .title = "What the discriminators say",
      .caption = "Mean log-ratio of held-out real images and of samples (dashed), by noise level. "
                 "Guidance climbs it and rejection compares it; where both lines lie at 0 neither "
                 "does anything.",
      .panels = {{"",
                  "Mean log-ratio over the noise level, real images and samples; the numbers are "
                  "in the table below.",
                  lines_chart(log_ratios,
                              {.title = "noise level σ", .scale = Scale::kLog, .format = "~g"},
                              {.title = "log-ratio (nats)", .format = ".2f"})}},
      .data = series_table("Log-ratio by noise level", log_ratios, "σ", "Nats"),
      .arrangement = Arrangement::kOne});
  return html;
}

}  // namespace

Section sampling_section(const Json& results) {
  Section section = {"sampling", "Sampling", {}};
  const std::vector<Json> methods = list_at(results, "/methods");
  const bool has_variants = std::ranges::any_of(
      methods, [](const Json& method) { return !value_at(method, "/of").is_null(); });
  if (!has_variants) return section;
  section.body += element("p", {},
                          "Some models were sampled in more than one way. Their shares and "
                          "distances stand with the others'; what each way costs stands here.");
  section.body += to_html(costs_table(methods));
  section.body += rejection_figure(methods);
  section.body += guides_figure(results);
  return section;
}

}  // namespace equipoise::report
