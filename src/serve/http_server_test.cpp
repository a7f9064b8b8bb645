#include "serve/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include <httplib.h>

#include "core/error.h"
#include "io/scratch_folder.h"
#include "serve/made_up_run.h"
#include "serve/watch_app.h"

namespace equipoise::serve {
namespace {

using testing::HasSubstr;

Response echo(const Request& request) {
  if (request.path == "/broken") throw std::runtime_error("something broke");
  return {.body = request.path};
}

struct HttpServerTest : testing::Test {
  HttpServer server{0, echo};
  httplib::Client client{"127.0.0.1", server.port()};

  int status_for_host(const std::string& host) {
    const auto result = client.Get("/", httplib::Headers{{"Host", host}});
    return result ? result->status : 0;
  }
};

TEST_F(HttpServerTest, AnswersItsOwnMachine) {
  const auto result = client.Get("/some/page");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 200);
  EXPECT_EQ(result->body, "/some/page");
  EXPECT_THAT(result->get_header_value("Content-Security-Policy"),
              HasSubstr("frame-ancestors 'none'"));
  EXPECT_EQ(result->get_header_value("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(status_for_host("localhost:" + std::to_string(server.port())), 200);
}

TEST_F(HttpServerTest, RefusesOtherHostNames) {
  const std::string port = ":" + std::to_string(server.port());
  for (const std::string& host :
       {std::string("evil.example"), "evil.example" + port, "127.0.0.1.evil.example" + port,
        std::string("127.0.0.1:1"), "localhost.evil.example" + port, std::string("localhost")})
    EXPECT_EQ(status_for_host(host), 403) << host;
}

TEST_F(HttpServerTest, IsNotReachedByAnotherAddress) {
  httplib::Client other("127.0.0.2", server.port());  // this machine, but not where it listens
  EXPECT_FALSE(other.Get("/"));
}

TEST_F(HttpServerTest, ChangesNothing) {
  const auto post = client.Post("/", "text", "text/plain");
  ASSERT_TRUE(post);
  EXPECT_EQ(post->status, 405);
  const auto removal = client.Delete("/");
  ASSERT_TRUE(removal);
  EXPECT_EQ(removal->status, 405);
}

TEST_F(HttpServerTest, AnswersEvenWhenAHandlerFails) {
  const auto result = client.Get("/broken");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 500);
  EXPECT_EQ(result->body, "something broke\n");
}

TEST_F(HttpServerTest, APortInUseIsOneClearError) {
  try {
    const HttpServer second(server.port(), echo);
    FAIL() << "two servers share a port";
  } catch (const EnvironmentError& error) {
    EXPECT_THAT(error.what(), HasSubstr("port " + std::to_string(server.port())));
    EXPECT_THAT(error.what(), HasSubstr("--port"));
  }
}

TEST(HttpServer, FreesItsPortWhenItEnds) {
  int port = 0;
  {
    const HttpServer first(0, echo);
    port = first.port();
    ASSERT_TRUE(httplib::Client("127.0.0.1", port).Get("/"));
  }
  EXPECT_NO_THROW(HttpServer(port, echo));
}

// As an attacker would write them, byte for byte on the wire.
TEST(HttpServer, LetsNoAddressOutOfTheRunFolders) {
  io::ScratchFolder scratch;
  make_up_run(scratch / "run");
  io::write_file_atomically(scratch / "secret.png", "secret");
  WatchApp app({scratch / "run"});
  const HttpServer server(0, [&](const Request& request) { return app.respond(request); });
  httplib::Client client("127.0.0.1", server.port());
  client.set_url_encode(false);
  ASSERT_EQ(client.Get("/runs/0/samples/dsm%2Epng")->status, 200) << "names are decoded once";
  for (const char* path :
       {"/runs/0/samples/../../secret.png", "/runs/0/samples/..%2f..%2fsecret.png",
        "/runs/0/samples/%2e%2e/%2e%2e/secret.png", "/runs/0/samples/..%252f..%252fsecret.png",
        "/runs/0/samples%2f..%2f..%2fsecret.png", "/runs/0/samples/%00/../secret.png",
        "/runs/0/samples/dsm.png%00.png", "/runs/0/%2fetc%2fpasswd", "/../../etc/passwd"}) {
    const auto result = client.Get(path);
    ASSERT_TRUE(result) << path;
    EXPECT_EQ(result->status, 404) << path;
  }
}

}  // namespace
}  // namespace equipoise::serve
