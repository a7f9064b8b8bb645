#include "track/stage_clock.h"

#include <algorithm>

namespace equipoise::track {

StageClock::StageClock(Now now) : now_(std::move(now)) {}

double StageClock::steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void StageClock::begin(const std::string& name) {
  end();
  add(name, 0);
  current_ = name;
  begun_sec_ = now_();
  is_running_ = true;
}

void StageClock::end() {
  if (!is_running_) return;
  add(current_, now_() - begun_sec_);
  is_running_ = false;
}

void StageClock::add(const std::string& name, double seconds) {
  auto stage = std::ranges::find(stages_, name, &StageTime::name);
  if (stage == stages_.end()) stage = stages_.insert(stage, {name, 0});
  stage->seconds += seconds;
}

std::vector<StageTime> StageClock::stages() const {
  StageClock copy = *this;
  copy.end();
  return copy.stages_;
}

nlohmann::ordered_json StageClock::to_json() const {
  auto json = nlohmann::ordered_json::array();
  for (const StageTime& stage : stages()) json.push_back({{"name", stage.name}, {"seconds", stage.seconds}});
  return json;
}

}  // namespace equipoise::track
