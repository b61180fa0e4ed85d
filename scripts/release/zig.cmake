# Cross-compiles with the Clang and the libraries that zig carries for every platform: -DBURGEON_ZIG=<zig>
# -DBURGEON_TARGET=<its name of the target>.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES BURGEON_ZIG BURGEON_TARGET)
if(BURGEON_TARGET MATCHES "windows")
  set(CMAKE_SYSTEM_NAME Windows)
elseif(BURGEON_TARGET MATCHES "macos")
  set(CMAKE_SYSTEM_NAME Darwin)
else()
  set(CMAKE_SYSTEM_NAME Linux)
endif()
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR ${BURGEON_TARGET})
set(CMAKE_CXX_COMPILER ${BURGEON_ZIG} c++ -target ${BURGEON_TARGET})
set(CMAKE_MODULE_LINKER_FLAGS_INIT "-s")  # no symbols: an eighth of the size
