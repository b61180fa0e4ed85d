// What the operating system is asked for: pages, sizes and libraries that are opened at run time. The only place, with
// core/thread_clock.h, that knows which system it is.
#pragma once

#include <cstddef>
#include <string>

namespace burgeon::system {

// Zeroed pages; null when there are none to be had.
void* allocate_pages(size_t bytes);
void release_pages(void* block, size_t bytes);

size_t physical_memory();
// Bytes; 0 where the system does not say.
size_t last_level_cache();

// Null with a reason when it cannot be opened. A library stays open until the process ends.
void* open_library(const std::string& path, std::string* why);
// Null when the library has no such symbol.
void* find_symbol(void* library, const char* name);

// Keeps the library that this code is in until the process ends. Node closes an addon when the last worker thread that
// loaded it ends, while threads of its pool still run in it.
void stay_loaded();

}  // namespace burgeon::system
