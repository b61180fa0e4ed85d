// The line between the addon and the MPI library, which alone is compiled against MPI: Open MPI and MPICH have
// different binary interfaces. One C function gives a table of functions; nothing here throws.
#pragma once

#include <cstddef>

namespace burgeon::mpi {

constexpr int kApiVersion = 1;
constexpr size_t kMessageBytes = 512;

struct Request;

// Functions that can fail return whether they did not; then `message` (kMessageBytes) says why. They are called by one
// thread at a time.
struct Api {
  int version;
  const char* package;  // the version of the package
  const char* name;     // "Open MPI v4.1.4", as it says itself, in one line

  // Starts MPI, once in a process.
  bool (*start)(int* rank, int* size, char* message);
  // Gives all ranks the bytes of rank 0.
  bool (*broadcast)(void* data, size_t bytes, char* message);
  // Begins to send to a rank and to receive from it. `request` is there until is_done says so.
  bool (*begin)(int peer, const void* out, size_t out_bytes, void* in, size_t in_bytes, Request** request,
                char* message);
  bool (*is_done)(Request* request, bool* done, char* message);
  // Ends MPI; all ranks do.
  void (*finish)();
};

}  // namespace burgeon::mpi

// Null where the library does not speak this version.
extern "C" const burgeon::mpi::Api* burgeon_mpi_get_api(int version);
