# MegakernelConfig.cmake - what find_package(Megakernel) reads.
#
# Megakernel::CAPI is the C API, libMegakernelC.so. Linking it needs neither LLVM nor a C++ compiler.

include(${CMAKE_CURRENT_LIST_DIR}/MegakernelTargets.cmake)
