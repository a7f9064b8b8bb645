// A run folder as a run leaves it midway. For tests only.
#pragma once

#include <filesystem>
#include <fstream>

#include "core/libtorch.h"
#include "io/files.h"
#include "io/image_codec.h"

namespace equipoise::serve {

/// The classifier is finished, dsm half way; a grid, and a line that is being written.
inline void make_up_run(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder / "samples");
  io::write_file_atomically(
      folder / "config.toml",
      "title = \"Stripes <b>\"\nobjectives = [\"dsm\"]\n[train]\nimages = 1000\n"
      "[classifier.train]\nimages = 300\n");
  io::write_file_atomically(folder / "state.json",
                            R"({"results": {}, "times": [{"name": "classifier", "seconds": 2}]})");
  std::ofstream(folder / "stats.jsonl")
      << "{\"stage\":\"classifier\",\"images\":300,\"loss\":0.5,\"heldout_loss\":0.625}\n"
      << "{\"stage\":\"dsm\",\"images\":250,\"loss\":0.75}\n"
      << "{\"stage\":\"dsm\",\"images\":500,\"loss\":0.25,\"heldout_loss\":0.375}\n"
      << "{\"stage\":\"dsm\",\"ima";
  io::write_file_atomically(folder / "samples/dsm.png",
                            io::encode_png(torch::arange(16 * 16, at::kByte).view({1, 16, 16})));
}

}  // namespace equipoise::serve
