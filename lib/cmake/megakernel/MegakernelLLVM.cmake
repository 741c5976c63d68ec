# MegakernelLLVM.cmake - finds MLIR and LLVM 22.1 and offers them as one target, mk_llvm.
#
# mk_llvm is either the two shared libraries or, with MK_LINK_STATIC, every archive in one group. Nothing else may name
# an imported MLIR or LLVM target: each of those pulls in libLLVM.so, and a program that holds LLVM twice crashes.

# Debian's version file accepts the same major.minor only, so 22 alone would not be found.
find_package(MLIR 22.1 REQUIRED CONFIG HINTS /usr/lib/llvm-22)
message(STATUS "MLIR ${MLIR_VERSION} in ${MLIR_DIR}")
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
set(MLIR_BINARY_DIR ${PROJECT_BINARY_DIR})
include(TableGen)
include(AddMLIR)

add_library(mk_llvm INTERFACE)
target_include_directories(mk_llvm SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_include_directories(mk_llvm INTERFACE ${PROJECT_BINARY_DIR}/include)
separate_arguments(MK_LLVM_DEFINITIONS NATIVE_COMMAND ${LLVM_DEFINITIONS})
target_compile_definitions(mk_llvm INTERFACE ${MK_LLVM_DEFINITIONS})
if(MK_LINK_STATIC)
  file(GLOB MK_LLVM_ARCHIVES ${LLVM_LIBRARY_DIR}/libMLIR*.a ${LLVM_LIBRARY_DIR}/libLLVM*.a)
  list(FILTER MK_LLVM_ARCHIVES EXCLUDE REGEX "Polly|MLIRPython|MLIRMlirOptMain|ExecutionEngineShared")
  target_link_libraries(mk_llvm INTERFACE -Wl,--start-group ${MK_LLVM_ARCHIVES} -Wl,--end-group z zstd m)
else()
  target_link_directories(mk_llvm INTERFACE ${LLVM_LIBRARY_DIR})
  target_link_options(mk_llvm INTERFACE -Wl,-rpath,${LLVM_LIBRARY_DIR})
  target_link_libraries(mk_llvm INTERFACE MLIR LLVM)
endif()

# mk_tablegen(target td-file out1 "generator flags" [out2 "generator flags"...]): the outputs of one .td file.
function(mk_tablegen target td)
  set(LLVM_TARGET_DEFINITIONS ${td})
  set(rest ${ARGN})
  while(rest)
    list(POP_FRONT rest out flags)
    separate_arguments(flags)
    mlir_tablegen(${out} ${flags} EXTRA_INCLUDES ${PROJECT_SOURCE_DIR}/include ${MLIR_INCLUDE_DIRS})
  endwhile()
  add_custom_target(${target} DEPENDS ${TABLEGEN_OUTPUT})
endfunction()
