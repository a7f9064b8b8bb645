// HTTP for this machine alone.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace equipoise::serve {

struct Request {
  std::string path;  ///< decoded, without the query
  std::multimap<std::string, std::string> query{};
};

struct Response {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body{};
  /// Content-Security-Policy of a page.
  std::string policy = "default-src 'none'";
};

/// Called from several threads at once.
using Handler = std::function<Response(const Request&)>;

/// Answers GET and HEAD on 127.0.0.1 until destroyed, each request on a connection of its own.
///
/// A request whose Host is not this server by the name of the loopback is refused (403): a page of
/// another site cannot reach it by having its own name point here. Other methods are refused (405).
/// What a handler throws is answered with 500 and its text.
class HttpServer {
 public:
  /// Port 0: any that is free. Throws EnvironmentError when the port cannot be had.
  HttpServer(int port, Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const;
  /// "http://127.0.0.1:6060/"
  std::string url() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace equipoise::serve
