# AddMegakernel.cmake - project-wide settings and the helpers that declare our targets.
#
#   add_mk_library(NAME SOURCES... [LINK targets...] [LLVM])
#   add_mk_tool(NAME SOURCES... [LINK targets...] [LLVM])
#   add_mk_unittest(NAME SOURCES... [LINK targets...] [LLVM])
#
# LLVM gives the target the LLVM and MLIR headers and libraries; without it an LLVM include does not compile.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)

find_program(MK_CCACHE ccache)
if(MK_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${MK_CCACHE})
  # The sloppiness lets ccache serve files that use a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${MK_CCACHE})
endif()

find_package(Threads REQUIRED)

add_library(mk_options INTERFACE)
target_include_directories(mk_options INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_compile_options(mk_options INTERFACE -Wall -Wextra -Wno-unused-parameter)
target_link_libraries(mk_options INTERFACE Threads::Threads ${CMAKE_DL_LIBS})
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  target_compile_options(mk_options INTERFACE "SHELL:-Xclang -fno-pch-timestamp")
  find_program(MK_LLD NAMES ld.lld-22 ld.lld)
  if(MK_LLD)
    target_link_options(mk_options INTERFACE -fuse-ld=lld)
  endif()
endif()
if(MK_SANITIZE)
  # The function check reads what clang puts before each function; compiled kernels have nothing there.
  target_compile_options(mk_options INTERFACE
    -fsanitize=${MK_SANITIZE} -fno-sanitize=function -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(mk_options INTERFACE -fsanitize=${MK_SANITIZE})
endif()
if(MK_LINK_STATIC)
  target_compile_options(mk_options INTERFACE -ffunction-sections -fdata-sections)
  target_link_options(mk_options INTERFACE -static-libstdc++ -static-libgcc -Wl,--gc-sections -Wl,--as-needed)
endif()

function(mk_setup_target name)
  cmake_parse_arguments(ARG "LLVM" "" "LINK" ${ARGN})
  target_link_libraries(${name} PUBLIC mk_options ${ARG_LINK})
  if(ARG_LLVM)
    target_link_libraries(${name} PUBLIC mk_llvm)
  endif()
endfunction()

function(add_mk_library name)
  cmake_parse_arguments(ARG "LLVM" "" "LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  if(ARG_LLVM)
    mk_setup_target(${name} LLVM LINK ${ARG_LINK})
  else()
    mk_setup_target(${name} LINK ${ARG_LINK})
  endif()
endfunction()

function(add_mk_tool name)
  cmake_parse_arguments(ARG "LLVM" "" "LINK" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  if(ARG_LLVM)
    mk_setup_target(${name} LLVM LINK ${ARG_LINK})
  else()
    mk_setup_target(${name} LINK ${ARG_LINK})
  endif()
endfunction()

function(add_mk_unittest name)
  cmake_parse_arguments(ARG "LLVM" "" "LINK" ${ARGN})
  if(ARG_LLVM)
    add_mk_tool(${name} ${ARG_UNPARSED_ARGUMENTS} LLVM LINK ${ARG_LINK} GTest::gtest_main)
  else()
    add_mk_tool(${name} ${ARG_UNPARSED_ARGUMENTS} LINK ${ARG_LINK} GTest::gtest_main)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/unit)
  add_test(NAME ${name} COMMAND ${name})
  # Tests do not see what is in the user's code cache.
  set_tests_properties(${name} PROPERTIES ENVIRONMENT MK_CACHE_DIR=off)
endfunction()
