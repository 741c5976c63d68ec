# HashSources.cmake - cmake -DOUTPUT=header -DROOT=folder -P HashSources.cmake -- files...
#
# Writes a header that defines MK_COMPILER_HASH, the hash of the names and contents of the files.

set(text "")
set(is_file OFF)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
  set(argument ${CMAKE_ARGV${i}})
  if(is_file)
    file(RELATIVE_PATH name ${ROOT} ${argument})
    file(SHA256 ${argument} hash)
    string(APPEND text "${name} ${hash}\n")
  elseif(argument STREQUAL "--")
    set(is_file ON)
  endif()
endforeach()
string(SHA256 hash "${text}")
string(SUBSTRING ${hash} 0 32 hash)
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#define MK_COMPILER_HASH \"@hash@\"\n" @ONLY)
