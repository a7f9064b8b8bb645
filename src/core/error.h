// The five kinds of failure, each with its exit code. Exceptions only: LibTorch throws anyway.
#pragma once

#include <stdexcept>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace equipoise {

/// What went wrong, in the parts a person needs: [where] what: got X, expected Y. Try Z.
struct ErrorDetail {
  std::string where{};     ///< file, config line, flag or function the user knows
  std::string what{};      ///< one clause
  std::string got{};       ///< may be empty
  std::string expected{};  ///< may be empty
  std::string hint{};      ///< what to try; may be empty
};

/// Root of every error Equipoise throws on purpose. Anything else that escapes is a bug (exit 70).
class Error : public std::runtime_error {
 public:
  Error(std::string kind, int exit_code, ErrorDetail detail);
  const std::string& kind() const { return kind_; }
  int exit_code() const { return exit_code_; }
  const ErrorDetail& detail() const { return detail_; }
  /// {"error": kind, "where": …, "what": …, "got": …, "expected": …, "hint": …}
  nlohmann::json to_json() const;

 private:
  std::string kind_;
  int exit_code_;
  ErrorDetail detail_;
};

/// Flags, config, arguments of a library call. Exit 2.
class UsageError : public Error {
 public:
  explicit UsageError(ErrorDetail detail) : Error("usage", 2, std::move(detail)) {}
};
/// A file, an entry in it, an offset. Exit 3.
class DataError : public Error {
 public:
  explicit DataError(ErrorDetail detail) : Error("data", 3, std::move(detail)) {}
};
/// A step, a tensor's name, a value that is not finite. Exit 4.
class NumericError : public Error {
 public:
  explicit NumericError(ErrorDetail detail) : Error("numeric", 4, std::move(detail)) {}
};
/// Device, disk, lock, lost peer. Exit 5.
class EnvironmentError : public Error {
 public:
  explicit EnvironmentError(ErrorDetail detail) : Error("environment", 5, std::move(detail)) {}
};

/// The text form used by Error::what().
std::string to_text(const ErrorDetail& detail);

}  // namespace equipoise

/// For what only a bug can break; throws std::logic_error (exit 70).
#define EQUIPOISE_ASSERT(condition)                                                             \
  do {                                                                                          \
    if (!(condition))                                                                           \
      throw std::logic_error(std::string("internal error: ") + #condition + " at " + __FILE__ + \
                             ":" + std::to_string(__LINE__));                                   \
  } while (false)
