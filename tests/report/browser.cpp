#include "browser.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "io/files.h"

namespace equipoise::report {
namespace {

std::string without_scripts(std::string page) {
  for (size_t begin = page.find("<script"); begin != std::string::npos;
       begin = page.find("<script", begin))
    page.erase(begin, page.find("</script>", begin) + 9 - begin);
  return page;
}

}  // namespace

std::string chromium_program() {
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
    if (std::system((std::string("command -v ") + name + " > /dev/null 2>&1").c_str()) == 0)
      return name;
  }
  return "";
}

OpenedPage open_page(const std::string& address, const std::filesystem::path& scratch,
                     ColourScheme scheme) {
  const std::string command =
      "timeout 120 " + chromium_program() +
      " --headless --no-sandbox --disable-gpu --disable-quic --no-first-run"
      " --disable-background-networking --disable-component-update --disable-sync"
      " --disable-dev-shm-usage --virtual-time-budget=20000 --enable-logging=stderr" +
      " --blink-settings=preferredColorScheme=" + (scheme == ColourScheme::kDark ? "0" : "1") +
      " --user-data-dir='" + (scratch / "profile").string() + "' --dump-dom '" + address + "' > '" +
      (scratch / "page").string() + "' 2> '" + (scratch / "log").string() + "'";
  const int status = std::system(command.c_str());
  OpenedPage page{.elements = without_scripts(io::read_file(scratch / "page")),
                  .log = io::read_file(scratch / "log")};
  EXPECT_EQ(status, 0) << page.log;
  return page;
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
    ++found;
  return found;
}

}  // namespace equipoise::report
