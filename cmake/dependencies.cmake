# Every outside library in one place. Debian 12's packages are listed in scripts/setup.sh.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(Torch REQUIRED)
# Of LibTorch's own config: whether it is a CUDA build. Kernels of ours are compiled for the same devices.
set(EQUIPOISE_CUDA ${CAFFE2_USE_CUDA})
if(EQUIPOISE_CUDA)
  enable_language(CUDA)
endif()
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

# Several processes that train together (core/process_group.h); without it there is one.
set(MPI_CXX_SKIP_MPICXX ON)
find_package(MPI COMPONENTS CXX)

if(EQUIPOISE_BUILD_TESTS)
  find_package(GTest REQUIRED)
  find_package(rapidcheck REQUIRED)
endif()

# What every target of ours is compiled with.
add_library(equipoise_flags INTERFACE)
target_compile_options(equipoise_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-fPIC;-Wall;-Wextra;-Werror;-Wno-unused-parameter> $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-fPIC>)
if(EQUIPOISE_CUDA)
  target_compile_definitions(equipoise_flags INTERFACE EQUIPOISE_CUDA)
endif()
# LibTorch's binary releases bring headers of a newer {fmt} along, which the system's library does not fit and of which GCC 12
# believes that they move too much memory; and they export std::filesystem's functions of an old libstdc++ (pytorch/pytorch
# issue 133437), so that the system's has to be asked first.
foreach(folder ${TORCH_INCLUDE_DIRS})
  if(EXISTS ${folder}/fmt/format.h AND NOT folder STREQUAL "/usr/include")
    target_compile_definitions(equipoise_flags INTERFACE FMT_HEADER_ONLY)
    target_compile_options(equipoise_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-error=stringop-overflow>)
    target_link_libraries(equipoise_flags INTERFACE -Wl,--push-state,--no-as-needed stdc++ -Wl,--pop-state)
  endif()
endforeach()
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
