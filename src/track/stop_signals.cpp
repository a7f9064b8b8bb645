#include "track/stop_signals.h"

#include <array>
#include <csignal>

namespace equipoise::track {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM};

volatile std::sig_atomic_t is_stop_requested = 0;
std::array<struct sigaction, kSignals.size()> former_actions;

void request_stop(int) {
  is_stop_requested = 1;
  // From now on either signal does what it does by default.
  for (int signal : kSignals) std::signal(signal, SIG_DFL);
}

}  // namespace

StopSignals::StopSignals() {
  is_stop_requested = 0;
  struct sigaction action = {};
  action.sa_handler = request_stop;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &former_actions[i]);
}

StopSignals::~StopSignals() {
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &former_actions[i], nullptr);
}

bool StopSignals::requested() {
  return is_stop_requested != 0;
}

}  // namespace equipoise::track
