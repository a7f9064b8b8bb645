// SHA-256 (FIPS 180-4), the fingerprint of every data file and model we name in a result.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace equipoise::io {

/// Hash of bytes that arrive in pieces; the split into pieces does not matter.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  Sha256& update(std::string_view bytes);
  /// 64 lower-case hexadecimal digits of all bytes so far; more may be added afterwards.
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view bytes);
/// Of a file of any size: it is mapped, not loaded. Throws DataError when it cannot be opened.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace equipoise::io
