// `equipoise serve` and `equipoise events` from outside.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/files.h"
#include "io/scratch_folder.h"
#include "program.h"

namespace equipoise::e2e {
namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/// Listens on a port that was free.
class Listener {
 public:
  Listener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 1), 0);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { ::close(socket_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  uint16_t port() const { return port_; }

 private:
  int socket_;
  uint16_t port_ = 0;
};

bool answers(uint16_t port) {
  const int connection = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  const bool is_connected =
      ::connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(connection);
  return is_connected;
}

struct Watching : testing::Test {
  io::ScratchFolder run;

  void SetUp() override {
    io::write_file_atomically(run / "config.toml", "seed = 0\n");
    io::write_file_atomically(run / "stats.jsonl",
                              "{\"stage\":\"dsm\",\"images\":64,\"loss\":0.5}\n");
  }
};

TEST_F(Watching, SaysInOneSentenceThatThePortIsInUse) {
  const Listener other;
  const std::string port = std::to_string(other.port());
  expect_failure(equipoise({"serve", run.path(), "--port", port}), 5, {"port " + port, "--port"});
}

TEST_F(Watching, RefusesWhatIsNoFolder) {
  expect_failure(equipoise({"serve", run / "missing"}), 3, {"missing", "no such folder"});
}

TEST_F(Watching, ServesUntilItIsStopped) {
  const uint16_t port = Listener().port();
  Program program({"serve", run.path(), "--port", std::to_string(port)});
  for (int tries = 0; tries < 600 && !answers(port); ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  program.send(SIGTERM);
  const Outcome outcome = program.wait();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "http://127.0.0.1:" + std::to_string(port) + "/\n");
}

TEST_F(Watching, WritesEventsAgain) {
  const Outcome outcome = equipoise({"events", run.path()});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const std::filesystem::path file = outcome.out.substr(0, outcome.out.find('\n'));
  EXPECT_EQ(file.parent_path(), run / "events");
  EXPECT_THAT(io::read_file(file), testing::HasSubstr("dsm/loss"));
}

}  // namespace
}  // namespace equipoise::e2e
