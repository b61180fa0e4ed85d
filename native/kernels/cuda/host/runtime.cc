// One device whose memory is the host's. BURGEON_CUDA_HOST_DEVICES sets another number, 0 among them, for tests of what
// is said then; BURGEON_CUDA_HOST_FAULT makes a launch fail; BURGEON_CUDA_HOST_SEED sets the order in which fibers take
// turns; BURGEON_CUDA_HOST_CAPABILITY another compute capability than 8.0: with 9.0 the kernels of sm_90a run.
#include "kernels/cuda/runtime.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "kernels/cuda/device.cuh"

struct CUevent_st {
  CUstream_st* stream = nullptr;
  std::chrono::steady_clock::time_point when;
};

namespace burgeon::cuda {

namespace {

int number_from(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::atoi(text) : otherwise;
}

// Graphs that the calling thread is recording: meanwhile it may neither take nor give back memory.
thread_local int recordings = 0;

// As CUDA does.
void refuse_while_recording(Stream stream, const char* what) {
  if (stream->recording) throw Error(ErrorCode::kCuda, std::string("CUDA: ") + what + " while a graph is recorded");
}

}  // namespace

int count_devices(std::string* why) {
  const int count = number_from("BURGEON_CUDA_HOST_DEVICES", 1);
  if (count == 0) *why = "BURGEON_CUDA_HOST_DEVICES is 0";
  return count;
}

DeviceDescription describe_device(int device) {
  const char* capability = std::getenv("BURGEON_CUDA_HOST_CAPABILITY");
  int major = 8;
  int minor = 0;
  if (capability) std::sscanf(capability, "%d.%d", &major, &minor);
  return {"the host, running CUDA kernels", size_t{4} << 30, major, minor,
          std::to_string(getpid()) + "." + std::to_string(device)};
}

bool has_wgmma() {
  const DeviceDescription description = describe_device(0);
  return description.major == 9 && description.minor == 0;
}

int multiprocessor_count() { return 2; }
int64_t l2_bytes() { return 1 << 18; }  // little, so that small tests fill it too

void use_device(int) {}

Stream open_stream() { return new CUstream_st{static_cast<uint64_t>(number_from("BURGEON_CUDA_HOST_SEED", 1))}; }
void close_stream(Stream stream) {
  abandon_recording(stream);
  delete stream;
}

void* allocate(size_t bytes) {
  if (recordings > 0) throw Error(ErrorCode::kCuda, "CUDA: memory while a graph is recorded");
  void* block = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (block) std::memset(block, 0, bytes);
  return block;
}
void release(void* block) {
  if (recordings == 0) std::free(block);
}

void write(Stream stream, void* to, const void* from, size_t bytes) {
  refuse_while_recording(stream, "a copy to the device");
  host::finish_copies(stream);
  std::memcpy(to, from, bytes);
}
void read(Stream stream, void* to, const void* from, size_t bytes) {
  refuse_while_recording(stream, "a copy from the device");
  host::finish_copies(stream);
  std::memcpy(to, from, bytes);
}
void clear(Stream stream, void* at, size_t bytes) {
  host::queue(stream, [=] { std::memset(at, 0, bytes); });
}

void copy(Stream stream, void* to, const void* from, size_t bytes) {
  host::queue(stream, [=] { std::memcpy(to, from, bytes); });
}

void* allocate_staged(size_t bytes) { return std::malloc(bytes); }
void release_staged(void* block) { std::free(block); }
void write_staged(Stream stream, void* to, const void* from, size_t bytes) {
  refuse_while_recording(stream, "a copy to the device");
  stream->copies.push_back([=] { std::memcpy(to, from, bytes); });
}

Event open_event() { return new CUevent_st; }
void close_event(Event event) { delete event; }
void record(Stream stream, Event event) {
  event->stream = stream;
  event->when = std::chrono::steady_clock::now();
}
void wait(Event event) {
  if (event->stream) host::finish_copies(event->stream);
}
bool has_passed(Event event) {
  wait(event);
  return true;
}
double milliseconds(Event from, Event to) {
  return std::chrono::duration<double, std::milli>(to->when - from->when).count();
}

struct Graph {
  std::vector<std::function<void()>> work;
};

void begin_recording(Stream stream) {
  refuse_while_recording(stream, "the start of a graph");
  stream->recording = new std::vector<std::function<void()>>;
  ++recordings;
}

Graph* end_recording(Stream stream) {
  Graph* graph = new Graph{std::move(*stream->recording)};
  abandon_recording(stream);
  return graph;
}

void abandon_recording(Stream stream) {
  if (!stream || !stream->recording) return;
  delete std::exchange(stream->recording, nullptr);
  --recordings;
}

void replay(Stream stream, Graph* graph) {
  host::finish_copies(stream);
  for (const auto& work : graph->work) work();
}

void release(Graph* graph) { delete graph; }

int64_t& launch_count() {
  thread_local int64_t count = 0;
  return count;
}

bool is_real() { return false; }

std::string toolkit() { return "a C++ compiler"; }

}  // namespace burgeon::cuda
