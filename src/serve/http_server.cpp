#include "serve/http_server.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <exception>
#include <system_error>
#include <thread>

#include <fmt/format.h>
#include <httplib.h>

#include "core/error.h"

namespace equipoise::serve {
namespace {

constexpr const char* kLoopback = "127.0.0.1";
constexpr size_t kNumThreads = 4;
constexpr size_t kMaxRequestBodyBytes = 1024;

// Only the address may be taken over from a server that has just ended; the library would let two
// servers share a port.
void set_socket_options(socket_t socket) {
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
}

bool is_this_server(const std::string& host, int port) {
  const std::array<std::string, 2> names = {"127.0.0.1", "localhost"};
  for (const std::string& name : names) {
    const bool is_default = port == 80 && host == name;
    if (host == fmt::format("{}:{}", name, port) || is_default) return true;
  }
  return false;
}

Response answer(const httplib::Request& request, int port, const Handler& handler) {
  if (!is_this_server(request.get_header_value("Host"), port))
    return {.status = 403, .body = "This server answers its own machine only.\n"};
  if (request.method != "GET" && request.method != "HEAD")
    return {.status = 405, .body = "There is nothing here that could be changed.\n"};
  try {
    return handler({.path = request.path, .query = request.params});
  } catch (const std::exception& error) {
    return {.status = 500, .body = fmt::format("{}\n", error.what())};
  }
}

void send(const Response& from, httplib::Response& to) {
  to.status = from.status;
  to.set_content(from.body, from.type.c_str());
  to.set_header("Content-Security-Policy", from.policy + "; frame-ancestors 'none'");
  to.set_header("X-Content-Type-Options", "nosniff");
  to.set_header("Referrer-Policy", "no-referrer");
  to.set_header("Cross-Origin-Resource-Policy", "same-origin");
  to.set_header("Cache-Control", "no-store");
}

}  // namespace

struct HttpServer::State {
  httplib::Server server;
  std::thread thread;
  int port = 0;
};

HttpServer::HttpServer(int port, Handler handler) : state_(std::make_unique<State>()) {
  httplib::Server& server = state_->server;
  server.set_socket_options(set_socket_options);
  server.set_payload_max_length(kMaxRequestBodyBytes);
  server.set_keep_alive_max_count(1);  // an idle connection would keep a thread
  server.set_read_timeout(2);
  server.new_task_queue = [] { return new httplib::ThreadPool(kNumThreads); };
  errno = 0;
  if (port == 0) {
    state_->port = server.bind_to_any_port(kLoopback);
  } else {
    state_->port = server.bind_to_port(kLoopback, port) ? port : -1;
  }
  if (state_->port < 0)
    throw EnvironmentError({.where = fmt::format("port {}", port),
                            .what = "cannot be listened on",
                            .got = std::generic_category().message(errno),
                            .hint = "Name another one with --port, or 0 for any that is free"});
  server.set_pre_routing_handler([handler = std::move(handler), own_port = state_->port](
                                     const httplib::Request& request, httplib::Response& response) {
    send(answer(request, own_port, handler), response);
    return httplib::Server::HandlerResponse::Handled;
  });
  state_->thread = std::thread([&server] { server.listen_after_bind(); });
  // Stopping a server that does not run yet would be lost on it.
  while (!server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

HttpServer::~HttpServer() {
  state_->server.stop();
  state_->thread.join();
}

int HttpServer::port() const {
  return state_->port;
}

std::string HttpServer::url() const {
  return fmt::format("http://{}:{}/", kLoopback, state_->port);
}

}  // namespace equipoise::serve
