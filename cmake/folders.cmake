# One folder of src/ = one OBJECT library (so that self-registering files are never dropped by the
# linker) and one test program `test_<folder>` made of its *_test.cpp files.
#
#   equipoise_folder(io DEPENDS core LIBRARIES ZLIB::ZLIB [TEST_DEPENDS samplers])
#
# DEPENDS names the folders this one may include (transitive ones are found); LIBRARIES outside ones.

function(equipoise_closure out)
  set(todo ${ARGN})
  set(done "")
  while(todo)
    list(POP_FRONT todo folder)
    if(NOT folder IN_LIST done)
      list(APPEND done ${folder})
      get_target_property(more equipoise_${folder} EQUIPOISE_DEPENDS)
      if(more)
        list(APPEND todo ${more})
      endif()
    endif()
  endwhile()
  set(${out} ${done} PARENT_SCOPE)
endfunction()

# Links a program with the objects of the given folders and everything they depend on.
function(equipoise_link target)
  equipoise_closure(folders ${ARGN})
  target_link_libraries(${target} PRIVATE equipoise_flags)
  foreach(folder ${folders})
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:equipoise_${folder}>)
    get_target_property(libraries equipoise_${folder} EQUIPOISE_LIBRARIES)
    if(libraries)
      target_link_libraries(${target} PRIVATE ${libraries})
    endif()
  endforeach()
  target_precompile_headers(${target} REUSE_FROM equipoise_pch)
endfunction()

# equipoise_test(NAME SOURCES... FOLDERS ...): a GoogleTest program known to ctest, test by test.
function(equipoise_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;FOLDERS;DEFINES" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  equipoise_link(${name} ${arg_FOLDERS})
  target_link_libraries(${name} PRIVATE GTest::gtest GTest::gmock GTest::gtest_main rapidcheck)
  target_compile_definitions(${name} PRIVATE
    EQUIPOISE_SOURCE_DIR="${PROJECT_SOURCE_DIR}" EQUIPOISE_BINARY_DIR="${CMAKE_BINARY_DIR}" ${arg_DEFINES})
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 600)
endfunction()

function(equipoise_folder folder)
  cmake_parse_arguments(arg "" "" "DEPENDS;LIBRARIES;TEST_DEPENDS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  if(NOT sources)
    set(sources ${PROJECT_SOURCE_DIR}/cmake/pch.cpp)
  endif()
  add_library(equipoise_${folder} OBJECT ${sources})
  target_link_libraries(equipoise_${folder} PRIVATE equipoise_flags ${arg_LIBRARIES})
  target_precompile_headers(equipoise_${folder} REUSE_FROM equipoise_pch)
  set_target_properties(equipoise_${folder} PROPERTIES
    EQUIPOISE_DEPENDS "${arg_DEPENDS}" EQUIPOISE_LIBRARIES "${arg_LIBRARIES}")
  if(EQUIPOISE_BUILD_TESTS AND tests)
    set_property(GLOBAL APPEND PROPERTY EQUIPOISE_TESTED_FOLDERS ${folder})
    set_property(GLOBAL PROPERTY EQUIPOISE_TESTS_${folder} "${tests}")
    set_property(GLOBAL PROPERTY EQUIPOISE_TEST_FOLDERS_${folder} "${folder};${arg_TEST_DEPENDS}")
  endif()
endfunction()

# Called once all folders are known, because a folder's tests may use folders above it.
function(equipoise_folder_tests)
  get_property(folders GLOBAL PROPERTY EQUIPOISE_TESTED_FOLDERS)
  foreach(folder ${folders})
    get_property(tests GLOBAL PROPERTY EQUIPOISE_TESTS_${folder})
    get_property(linked GLOBAL PROPERTY EQUIPOISE_TEST_FOLDERS_${folder})
    equipoise_test(test_${folder} SOURCES ${tests} FOLDERS ${linked})
  endforeach()
endfunction()
