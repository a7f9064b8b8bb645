// equipoise serve: runs as they go, on a page for this machine alone.
#include <spawn.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "command.h"
#include "serve/http_server.h"
#include "serve/watch_app.h"
#include "track/stop_signals.h"

extern char** environ;

namespace equipoise::cli {
namespace {

struct Flags {
  std::vector<std::filesystem::path> runs;
  int port = 6060;
  bool open = false;
};

void open_in_browser(const std::string& url) {
  std::string program = "xdg-open", address = url;
  char* words[] = {program.data(), address.data(), nullptr};
  pid_t process = 0;
  if (::posix_spawnp(&process, words[0], nullptr, nullptr, words, environ) != 0)
    fmt::print(stderr, "xdg-open is not installed; open {} yourself\n", url);
}

int serve_runs(const Flags& flags) {
  serve::WatchApp app(flags.runs);
  const track::StopSignals signals;
  const serve::HttpServer server(
      flags.port, [&app](const serve::Request& request) { return app.respond(request); });
  fmt::print("{}\n", server.url());
  std::fflush(stdout);
  if (flags.open) open_in_browser(server.url());
  while (!signals.requested()) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  return 0;
}

}  // namespace

Action declare_serve(CLI::App& command) {
  auto flags = std::make_shared<Flags>();
  command.add_option("runs", flags->runs, "Folders of runs, or folders that hold such folders")
      ->required()
      ->type_name("RUNS");
  command.add_option("--port", flags->port, "Port on 127.0.0.1; 0 = any that is free")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  command.add_flag("--open", flags->open, "Open the page in the browser as well");
  command.footer(
      "Prints the page's address and serves it until Ctrl-C. Only this machine can reach it.");
  return [flags] { return serve_runs(*flags); };
}

}  // namespace equipoise::cli
