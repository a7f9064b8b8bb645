# Every outside library in one place. Debian 12's packages are listed in scripts/setup.sh.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(Torch REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(ZLIB REQUIRED)
find_package(LibLZMA REQUIRED)
find_package(PNG REQUIRED)
find_package(JPEG REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(ZIP REQUIRED IMPORTED_TARGET libzip)
find_package(nlohmann_json REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_path(TOMLPLUSPLUS_INCLUDE_DIR toml++/toml.h REQUIRED)
find_package(Boost REQUIRED)
find_path(PROTOZERO_INCLUDE_DIR protozero/pbf_writer.hpp REQUIRED)
pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)
# oneDNN's matrix product; where its headers are missing (a LibTorch of one's own, say) LibTorch's serves.
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.h)
find_library(DNNL_LIBRARY dnnl)

if(EQUIPOISE_BUILD_TESTS)
  find_package(GTest REQUIRED)
  find_package(rapidcheck REQUIRED)
endif()

# What every target of ours is compiled with.
add_library(equipoise_flags INTERFACE)
target_compile_options(equipoise_flags INTERFACE -fPIC -Wall -Wextra -Werror -Wno-unused-parameter)
if(EQUIPOISE_SANITIZE)
  target_compile_options(equipoise_flags INTERFACE -fsanitize=${EQUIPOISE_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(equipoise_flags INTERFACE -fsanitize=${EQUIPOISE_SANITIZE})
endif()
target_include_directories(equipoise_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_include_directories(equipoise_flags SYSTEM INTERFACE
  ${TORCH_INCLUDE_DIRS} ${TOMLPLUSPLUS_INCLUDE_DIR} ${PROTOZERO_INCLUDE_DIR})
target_link_libraries(equipoise_flags INTERFACE
  ${TORCH_LIBRARIES} fmt::fmt nlohmann_json::nlohmann_json Threads::Threads)
target_compile_definitions(equipoise_flags INTERFACE EQUIPOISE_VERSION="${PROJECT_VERSION}")

# One precompiled header for all: torch/types.h alone takes 8 s to parse. torch/torch.h would take 20 s, and 7 s a file even when
# precompiled; core/libtorch.h is the part of it that is used.
add_library(equipoise_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch.cpp)
target_link_libraries(equipoise_pch PRIVATE equipoise_flags)
target_precompile_headers(equipoise_pch PRIVATE
  ${PROJECT_SOURCE_DIR}/src/core/libtorch.h <nlohmann/json.hpp> <fmt/format.h>)
