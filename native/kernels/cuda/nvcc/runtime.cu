#include "kernels/cuda/device.cuh"
#include "kernels/cuda/runtime.h"

namespace burgeon::cuda {

int count_devices(std::string* why) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  *why = status == cudaSuccess ? "no device" : cudaGetErrorString(status);
  int driver = 0;
  if (status == cudaErrorInsufficientDriver && cudaDriverGetVersion(&driver) == cudaSuccess) {
    *why = driver == 0 ? "there is no NVIDIA driver"
                       : "the NVIDIA driver is too old: it is for CUDA " + std::to_string(driver / 1000) + "." +
                             std::to_string(driver / 10 % 100);
  }
  return 0;
}

DeviceDescription describe_device(int device) {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, device), "properties of the device");
  return {properties.name, properties.totalGlobalMem, properties.major, properties.minor,
          std::string(properties.uuid.bytes, sizeof(properties.uuid.bytes))};
}

namespace {

struct DeviceInUse {
  int index = -1;
  bool has_wgmma = false;
  int multiprocessors = 1;
  int l2_bytes = 0;
};
thread_local DeviceInUse in_use;

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, device), "properties of the device");
  return value;
}

}  // namespace

void use_device(int device) {
  if (device == in_use.index) return;
  check(cudaSetDevice(device), "choice of the device");
  const int major = attribute(cudaDevAttrComputeCapabilityMajor, device);
  const int minor = attribute(cudaDevAttrComputeCapabilityMinor, device);
  in_use = {device, major == 9 && minor == 0, attribute(cudaDevAttrMultiProcessorCount, device),
            attribute(cudaDevAttrL2CacheSize, device)};
}

bool has_wgmma() { return in_use.has_wgmma; }
int multiprocessor_count() { return in_use.multiprocessors; }
int64_t l2_bytes() { return in_use.l2_bytes; }

Stream open_stream() {
  Stream stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "a stream");
  return stream;
}

void close_stream(Stream stream) { cudaStreamDestroy(stream); }

void* allocate(size_t bytes) {
  void* block = nullptr;
  const cudaError_t status = cudaMalloc(&block, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // which would otherwise be found by the next launch
    return nullptr;
  }
  check(status, "memory");
  check(cudaMemsetAsync(block, 0, bytes, cudaStreamPerThread), "clearing new memory");
  // Not the whole device: that would break what another model's stream records, and its own recording with it.
  check(cudaStreamSynchronize(cudaStreamPerThread), "clearing new memory");
  return block;
}

void release(void* block) { cudaFree(block); }

void write(Stream stream, void* to, const void* from, size_t bytes) {
  // From memory that is not page-locked the copy is staged before the call returns, or waited for.
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream), "a copy to the device");
  if (bytes > 64 * 1024) check(cudaStreamSynchronize(stream), "a copy to the device");
}

void read(Stream stream, void* to, const void* from, size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream), "a copy from the device");
  check(cudaStreamSynchronize(stream), "the work queued before a copy from the device");
}

void clear(Stream stream, void* at, size_t bytes) { check(cudaMemsetAsync(at, 0, bytes, stream), "clearing memory"); }

void copy(Stream stream, void* to, const void* from, size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream), "a copy on the device");
}

void* allocate_staged(size_t bytes) {
  void* block = nullptr;
  if (cudaHostAlloc(&block, bytes, cudaHostAllocDefault) == cudaSuccess) return block;
  cudaGetLastError();  // which would otherwise be found by the next launch
  return nullptr;
}

void release_staged(void* block) { cudaFreeHost(block); }

void write_staged(Stream stream, void* to, const void* from, size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream), "a copy to the device");
}

Event open_event() {
  Event event = nullptr;
  check(cudaEventCreate(&event), "an event");
  return event;
}

void close_event(Event event) { cudaEventDestroy(event); }

void record(Stream stream, Event event) { check(cudaEventRecord(event, stream), "an event"); }

void wait(Event event) { check(cudaEventSynchronize(event), "the work queued before an event"); }

bool has_passed(Event event) {
  const cudaError_t status = cudaEventQuery(event);
  if (status == cudaErrorNotReady) return false;
  check(status, "the work queued before an event");
  return true;
}

double milliseconds(Event from, Event to) {
  float ms = 0;
  check(cudaEventSynchronize(to), "the work queued before an event");
  check(cudaEventElapsedTime(&ms, from, to), "the time between two events");
  return static_cast<double>(ms);
}

struct Graph {
  cudaGraphExec_t exec;
};

void begin_recording(Stream stream) {
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "the start of a graph");
}

Graph* end_recording(Stream stream) {
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(stream, &graph), "the end of a graph");
  cudaGraphExec_t exec = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&exec, graph, 0);
  cudaGraphDestroy(graph);
  check(status, "a graph");
  return new Graph{exec};
}

void abandon_recording(Stream stream) {
  cudaStreamCaptureStatus state = cudaStreamCaptureStatusNone;
  if (stream && cudaStreamIsCapturing(stream, &state) == cudaSuccess && state != cudaStreamCaptureStatusNone) {
    cudaGraph_t graph = nullptr;
    cudaStreamEndCapture(stream, &graph);
    if (graph) cudaGraphDestroy(graph);
  }
  cudaGetLastError();  // which would otherwise be found by the next launch
}

void replay(Stream stream, Graph* graph) { check(cudaGraphLaunch(graph->exec, stream), "launch of a graph"); }

void release(Graph* graph) {
  cudaGraphExecDestroy(graph->exec);
  delete graph;
}

int64_t& launch_count() {
  thread_local int64_t count = 0;
  return count;
}

bool is_real() { return true; }

std::string toolkit() {
  return "CUDA " + std::to_string(CUDART_VERSION / 1000) + "." + std::to_string(CUDART_VERSION / 10 % 100);
}

}  // namespace burgeon::cuda
