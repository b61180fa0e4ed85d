// What MPI is used for: one message at a time to a rank and from it. Sums are made by burgeon, in an order of its own.
#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "mpi/mpi_api.h"

namespace burgeon::mpi {

struct Request {
  MPI_Request both[2];
};

namespace {

constexpr int kTag = 7;

bool is_right(int status, char* message) {
  if (status == MPI_SUCCESS) return true;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(status, text, &length);
  std::snprintf(message, kMessageBytes, "MPI: %s", text);
  return false;
}

bool start(int* rank, int* size, char* message) {
  int started = 0;
  MPI_Initialized(&started);
  if (!started) {
    int provided = 0;
    if (!is_right(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), message)) return false;
    if (provided < MPI_THREAD_SERIALIZED) {
      std::snprintf(message, kMessageBytes, "MPI: it serves one thread only, MPI_THREAD_SERIALIZED is needed");
      return false;
    }
    // Errors are told, not fatal.
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  }
  return is_right(MPI_Comm_rank(MPI_COMM_WORLD, rank), message) &&
         is_right(MPI_Comm_size(MPI_COMM_WORLD, size), message);
}

bool broadcast(void* data, size_t bytes, char* message) {
  return is_right(MPI_Bcast(data, static_cast<int>(bytes), MPI_BYTE, 0, MPI_COMM_WORLD), message);
}

bool begin(int peer, const void* out, size_t out_bytes, void* in, size_t in_bytes, Request** request, char* message) {
  auto* const made = new Request{{MPI_REQUEST_NULL, MPI_REQUEST_NULL}};
  *request = made;
  if (in_bytes > 0 &&
      !is_right(MPI_Irecv(in, static_cast<int>(in_bytes), MPI_BYTE, peer, kTag, MPI_COMM_WORLD, made->both), message)) {
    return false;
  }
  return out_bytes == 0 ||
         is_right(MPI_Isend(out, static_cast<int>(out_bytes), MPI_BYTE, peer, kTag, MPI_COMM_WORLD, made->both + 1),
                  message);
}

bool is_done(Request* request, bool* done, char* message) {
  int flag = 0;
  if (!is_right(MPI_Testall(2, request->both, &flag, MPI_STATUSES_IGNORE), message)) return false;
  *done = flag != 0;
  if (*done) delete request;
  return true;
}

void finish() {
  int finished = 0;
  MPI_Finalized(&finished);
  if (!finished) MPI_Finalize();
}

const char* name() {
  static char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(text, &length);
  if (char* end = std::strpbrk(text, "\n,")) *end = '\0';
  return text;
}

}  // namespace

}  // namespace burgeon::mpi

extern "C" __attribute__((visibility("default"))) const burgeon::mpi::Api* burgeon_mpi_get_api(int version) {
  using namespace burgeon::mpi;
  if (version != kApiVersion) return nullptr;
  static const Api api = {kApiVersion, BURGEON_VERSION, name(), start, broadcast, begin, is_done, finish};
  return &api;
}
