#ifndef _WIN32
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/system.h"

namespace burgeon::system {

void* allocate_pages(size_t bytes) {
  void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) return nullptr;
#ifdef MADV_HUGEPAGE
  // First touch of 4 KiB pages runs at a fraction of memory speed; the advice may be refused, which costs only time.
  if (bytes >= (size_t{2} << 20)) madvise(block, bytes, MADV_HUGEPAGE);
#endif
  return block;
}

void release_pages(void* block, size_t bytes) { munmap(block, bytes); }

size_t physical_memory() {
  return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

size_t last_level_cache() {
#ifdef _SC_LEVEL3_CACHE_SIZE
  const long bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
  return bytes > 0 ? static_cast<size_t>(bytes) : 0;
#else
  return 0;
#endif
}

void* open_library(const std::string& path, std::string* why) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) *why = dlerror();
  return library;
}

void* find_symbol(void* library, const char* name) { return dlsym(library, name); }

void stay_loaded() {
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&stay_loaded), &self) != 0) dlopen(self.dli_fname, RTLD_NOW | RTLD_NODELETE);
}

}  // namespace burgeon::system
#endif
