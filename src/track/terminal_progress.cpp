#include "track/terminal_progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "track/quantity_text.h"
#include "track/steady_clock.h"

namespace equipoise::track {
namespace {

constexpr int kBarColumns = 20;
constexpr int kFallbackColumns = 100;
constexpr double kTerminalInterval = 0.2;
constexpr double kLogInterval = 10;

int terminal_width(std::FILE* out) {
  winsize size = {};
  if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return kFallbackColumns;
}

std::string bar(double share) {
  const int filled = static_cast<int>(std::floor(share * kBarColumns));
  std::string text;
  for (int i = 0; i < kBarColumns; ++i) text += i < filled ? "━" : "─";
  return text;
}

std::string rate_text(double rate) {
  return rate >= 10 ? grouped(std::llround(rate)) + "/s" : fmt::format("{:.2g}/s", rate);
}

/// The longest beginning of UTF-8 text that fills at most `columns` columns (every character we
/// print is one wide).
std::string first_columns(const std::string& text, int columns) {
  size_t end = 0;
  for (; end < text.size(); ++end) {
    const bool starts_character = (static_cast<unsigned char>(text[end]) & 0xC0) != 0x80;
    if (starts_character && columns-- == 0) break;
  }
  return text.substr(0, end);
}

}  // namespace

std::string progress_line(const StageState& state, int width) {
  std::string line = state.stage;
  if (state.total > 0) {
    const double share =
        std::clamp(static_cast<double>(state.done) / static_cast<double>(state.total), 0.0, 1.0);
    line += fmt::format("  {} {:3.0f} %  {}/{} {}", bar(share), std::floor(100 * share),
                        grouped(state.done), grouped(state.total), state.unit);
  } else {
    line += fmt::format("  {} {}", grouped(state.done), state.unit);
  }
  if (state.rate > 0) {
    line += "  " + rate_text(state.rate);
    if (state.total > state.done)
      line += "  " + duration_text(static_cast<double>(state.total - state.done) / state.rate) +
              " left";
  }
  if (!state.note.empty()) line += "  " + state.note;
  return first_columns(line, width);
}

TerminalProgress::TerminalProgress(std::FILE* out)
    : TerminalProgress(out, isatty(fileno(out)) == 1, steady_seconds) {}

TerminalProgress::TerminalProgress(std::FILE* out, bool is_terminal, Now now)
    : out_(out), is_terminal_(is_terminal), now_(std::move(now)) {}

void TerminalProgress::begin(const std::string& stage, int64_t total, const std::string& unit) {
  if (line_is_open_) end();
  state_ = {.stage = stage, .unit = unit, .note = "", .total = total};
  begun_sec_ = drawn_sec_ = now_();
  first_done_ = -1;
  line_is_open_ = true;
  if (is_terminal_) draw();
}

void TerminalProgress::update(int64_t done, const std::string& note) {
  const double now = now_();
  state_.done = done;
  state_.note = note;
  if (first_done_ < 0) {
    first_done_ = done;
    first_update_sec_ = now;
  } else if (now > first_update_sec_) {
    state_.rate = static_cast<double>(done - first_done_) / (now - first_update_sec_);
  }
  if (now - drawn_sec_ >= (is_terminal_ ? kTerminalInterval : kLogInterval)) draw();
}

void TerminalProgress::end() {
  if (!line_is_open_) return;
  erase_line();
  const double elapsed = now_() - begun_sec_;
  std::string line = fmt::format("{}: {} {} in {}", state_.stage, grouped(state_.done), state_.unit,
                                 duration_text(elapsed));
  if (!state_.note.empty()) line += ", " + state_.note;
  fmt::print(out_, "{}\n", line);
  std::fflush(out_);
  line_is_open_ = false;
}

void TerminalProgress::message(const std::string& text) {
  erase_line();
  fmt::print(out_, "{}\n", text);
  if (is_terminal_ && line_is_open_) draw();
  std::fflush(out_);
}

bool TerminalProgress::stop_requested() const {
  return StopSignals::requested();
}

void TerminalProgress::draw() {
  drawn_sec_ = now_();
  if (is_terminal_)
    fmt::print(out_, "\r\033[K{}", progress_line(state_, terminal_width(out_) - 1));
  else
    fmt::print(out_, "{}\n", progress_line(state_, kFallbackColumns));
  std::fflush(out_);
}

void TerminalProgress::erase_line() {
  if (is_terminal_ && line_is_open_) fmt::print(out_, "\r\033[K");
}

}  // namespace equipoise::track
