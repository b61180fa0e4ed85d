#include "backend/cuda/api.h"

#include <cstdio>
#include <cstring>
#include <exception>
#include <string>

#include "backend/cuda/cuda_table.h"
#include "backend/cuda/library/nccl_link.h"
#include "backend/cuda/queue.h"
#include "core/device_links.h"
#include "core/error.h"
#include "kernels/cuda/runtime.h"
#include "ops/cuda_kernels.h"

namespace burgeon::cuda {

struct Link {
  Queue& queue;
  NcclLink nccl;
};

namespace {

void say(char* message, const std::string& text) { std::snprintf(message, kMessageBytes, "%s", text.c_str()); }

// Runs work(); what it throws becomes the message.
template <class Work>
bool guarded(char* message, Work work) {
  try {
    work();
    return true;
  } catch (const std::exception& error) {
    say(message, error.what());
    return false;
  }
}

template <class Work>
bool on_queue(Queue* queue, char* message, Work work) {
  attempt(*queue, work);
  if (queue->failure.empty()) return true;
  say(message, queue->failure);
  return false;
}

int count(char* message) {
  int devices = 0;
  guarded(message, [&] {
    std::string why;
    devices = count_devices(&why);
    if (devices == 0) say(message, why);
  });
  return devices;
}

bool describe(int device, ApiDevice* description, char* message) {
  return guarded(message, [&] {
    const DeviceDescription found = describe_device(device);
    std::snprintf(description->name, sizeof(description->name), "%s", found.name.c_str());
    description->memory = found.memory;
    description->major = found.major;
    description->minor = found.minor;
    description->id = hash_of(found.id);
  });
}

void close(Queue* queue) {
  // The calling thread may have worked with another.
  char message[kMessageBytes];
  guarded(message, [&] {
    use_device(queue->device);
    if (queue->stream) queue->staging.close(queue->stream);
  });
  for (Event event : queue->events) {
    if (event) close_event(event);
  }
  queue->products.reset();
  if (queue->table) release(queue->table);
  if (queue->stream) close_stream(queue->stream);
  delete queue;
}

Queue* open(int device, const char* cublaslt, const char* plans, char* message) {
  Queue* queue = nullptr;
  const bool opened = guarded(message, [&] {
    queue = new Queue;
    queue->device = device;
    use_device(device);
    queue->stream = open_stream();
    queue->table = allocate(kTableBytes);
    queue->products = LibraryProducts::open(queue->stream, describe_device(device).name, cublaslt, plans);
  });
  if (opened && queue->table) return queue;
  if (opened) say(message, "the device has no memory left");
  if (queue) close(queue);
  return nullptr;
}

const char* products(const Queue* queue) {
  return queue->products ? queue->products->description().c_str() : "own kernels";
}

bool find_products(const char* cublaslt, char* message) {
  std::string why;
  const cublaslt::Library* library = LibraryProducts::find(cublaslt, &why);
  say(message, library ? library->name : why);
  return library != nullptr;
}

void* allocate_on(Queue* queue, size_t bytes) {
  void* block = nullptr;
  attempt(*queue, [&] { block = allocate(bytes); });
  return block;
}

void release_on(Queue* queue, void* block) {
  // Also after a failure.
  char message[kMessageBytes];
  guarded(message, [&] { use_device(queue->device); });
  // What the host has written may still be on its way there.
  guarded(message, [&] { queue->staging.finish(queue->stream); });
  guarded(message, [&] { release(block); });
}

bool write_on(Queue* queue, void* to, const void* from, size_t bytes, char* message) {
  return on_queue(queue, message, [&] { queue->staging.write(queue->stream, to, from, bytes); });
}
bool read_on(Queue* queue, void* to, const void* from, size_t bytes, char* message) {
  return on_queue(queue, message, [&] { read(queue->stream, to, from, bytes); });
}
bool clear_on(Queue* queue, void* at, size_t bytes, char* message) {
  return on_queue(queue, message, [&] { clear(queue->stream, at, bytes); });
}
bool copy_on(Queue* queue, void* to, const void* from, size_t bytes, char* message) {
  return on_queue(queue, message, [&] { copy(queue->stream, to, from, bytes); });
}

Event& event_of(Queue& queue, int64_t mark) { return queue.events[static_cast<size_t>(mark) % queue.events.size()]; }

bool mark_on(Queue* queue, int64_t* mark, char* message) {
  return on_queue(queue, message, [&] {
    Event& event = event_of(*queue, queue->marks);
    if (!event) event = open_event();
    record(queue->stream, event);
    *mark = queue->marks++;
  });
}

void keep_marks_of(Queue* queue, int64_t count) {
  if (count > static_cast<int64_t>(queue->events.size())) queue->events.resize(static_cast<size_t>(count));
}

bool milliseconds_between(Queue* queue, int64_t from, int64_t to, double* ms, char* message) {
  return on_queue(queue, message, [&] { *ms = milliseconds(event_of(*queue, from), event_of(*queue, to)); });
}

bool has_passed_on(Queue* queue, int64_t mark, bool* passed, char* message) {
  return on_queue(queue, message, [&] { *passed = has_passed(event_of(*queue, mark)); });
}

const nccl::Library& require_nccl(const char* path) {
  std::string why;
  const nccl::Library* library = NcclLink::find(path, &why);
  if (!library) throw Error(ErrorCode::kCuda, why);
  return *library;
}

bool find_nccl(const char* path, char* message) {
  return guarded(message, [&] { say(message, require_nccl(path).name); });
}

bool make_link_id(const char* path, char* id, char* message) {
  static_assert(sizeof(nccl::UniqueId) == kLinkIdBytes);
  return guarded(message, [&] {
    const nccl::UniqueId made = NcclLink::make_id(require_nccl(path));
    std::memcpy(id, made.bytes, kLinkIdBytes);
  });
}

Link* open_link(Queue* queue, const char* path, const char* id, int rank, int size, char* message) {
  Link* link = nullptr;
  guarded(message, [&] {
    use_device(queue->device);
    nccl::UniqueId known;
    std::memcpy(known.bytes, id, kLinkIdBytes);
    link = new Link{*queue, {require_nccl(path), queue->stream, known, rank, size}};
  });
  return link;
}

void close_link(Link* link) {
  char message[kMessageBytes];
  guarded(message, [&] { use_device(link->queue.device); });
  delete link;
}

bool exchange(Link* link, const Message* messages, size_t count, char* message) {
  return guarded(message, [&] {
    use_device(link->queue.device);
    link->nccl.exchange(messages, count);
  });
}

bool is_ready(Link* link, bool* ready, char* message) {
  return guarded(message, [&] { *ready = link->nccl.is_ready(); });
}

int64_t launches() { return launch_count(); }

bool begin_recording_on(Queue* queue, char* message) {
  return on_queue(queue, message, [&] { begin_recording(queue->stream); });
}
Graph* end_recording_on(Queue* queue, char* message) {
  Graph* graph = nullptr;
  on_queue(queue, message, [&] { graph = end_recording(queue->stream); });
  return graph;
}
bool replay_on(Queue* queue, Graph* graph, char* message) {
  return on_queue(queue, message, [&] { replay(queue->stream, graph); });
}
void release_graph_on(Queue* queue, Graph* graph) {
  // Also after a failure.
  char message[kMessageBytes];
  guarded(message, [&] {
    use_device(queue->device);
    release(graph);
  });
}

}  // namespace

}  // namespace burgeon::cuda

extern "C" __attribute__((visibility("default"))) const burgeon::cuda::Api* burgeon_cuda_get_api(int version) {
  using namespace burgeon::cuda;
  if (version != kApiVersion) return nullptr;
  static const std::string built_with = toolkit();
  static const Api api = {
      kApiVersion,
      kApiLayout,
      BURGEON_VERSION,
      built_with.c_str(),
      BURGEON_CUDA_ARCHITECTURES,
      count,
      describe,
      open,
      close,
      products,
      find_products,
      allocate_on,
      release_on,
      write_on,
      read_on,
      clear_on,
      copy_on,
      mark_on,
      keep_marks_of,
      milliseconds_between,
      has_passed_on,
      find_nccl,
      make_link_id,
      open_link,
      close_link,
      exchange,
      is_ready,
      launches,
      begin_recording_on,
      end_recording_on,
      replay_on,
      release_graph_on,
      &table<float>(),
      &table<burgeon::bfloat16>(),
  };
  return &api;
}
