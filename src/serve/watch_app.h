// Which address of the server gives what; docs/formats/serve.md lists them.
#pragma once

#include <filesystem>
#include <vector>

#include "serve/http_server.h"
#include "serve/run_list.h"

namespace equipoise::serve {

/// The answers of `equipoise serve`. Nothing is kept between requests but the list of runs: each
/// answer tells what the files say then. May be called from several threads.
class WatchApp {
 public:
  /// Throws as RunList does.
  explicit WatchApp(std::vector<std::filesystem::path> folders) : list_(std::move(folders)) {}

  /// 404 for every address that docs/formats/serve.md does not name.
  Response respond(const Request& request);

 private:
  RunList list_;
};

}  // namespace equipoise::serve
