// What the backend uses of the CUDA runtime outside kernels. Two implementations: nvcc/runtime.cc, and host/runtime.cc
// for kernels that run on the host. Functions throw Error(kCuda).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernels/cuda/stream.h"

namespace burgeon::cuda {

// How many devices there are. Where there is none, `why` says what the runtime says.
int count_devices(std::string* why);

struct DeviceDescription {
  std::string name;
  size_t memory;  // bytes in all
  int major;      // of the compute capability
  int minor;
  std::string id;  // of this device alone, on any machine
};
DeviceDescription describe_device(int device);

// Makes a device the one that the calling thread works with.
void use_device(int device);

// Of the device in use: whether it is of capability 9.0, for which there are kernels of its own, how many
// multiprocessors it has, and the bytes of its second-level cache.
bool has_wgmma();
int multiprocessor_count();
int64_t l2_bytes();

Stream open_stream();
void close_stream(Stream stream);

// Zeroed memory of the device in use, aligned to 256 bytes; null when there is too little.
void* allocate(size_t bytes);
void release(void* block);

// In the order of the stream. `from` and `to` on the host's side may be used when they return.
void write(Stream stream, void* to, const void* from, size_t bytes);
void read(Stream stream, void* to, const void* from, size_t bytes);
void clear(Stream stream, void* at, size_t bytes);
void copy(Stream stream, void* to, const void* from, size_t bytes);

// Memory of the host that a device copies from by itself; null when there is too little. write_staged() returns before
// it has: the contents must stay until an event after it.
void* allocate_staged(size_t bytes);
void release_staged(void* block);
void write_staged(Stream stream, void* to, const void* from, size_t bytes);

Event open_event();
void close_event(Event event);
// Moves the event to the end of what is queued.
void record(Stream stream, Event event);
void wait(Event event);
bool has_passed(Event event);
// Between two recorded events; waits for the later one.
double milliseconds(Event from, Event to);

// Between begin and end, launches on a stream and clear() are not done but kept, to be done when they are replayed.
struct Graph;
void begin_recording(Stream stream);
Graph* end_recording(Stream stream);
// Ends a recording that failed, and forgets it; nothing where there is none.
void abandon_recording(Stream stream);
void replay(Stream stream, Graph* graph);
void release(Graph* graph);

// Whether there is a GPU, which libraries of NVIDIA's can use too.
bool is_real();

// The toolkit this was built with, for people.
std::string toolkit();

}  // namespace burgeon::cuda
