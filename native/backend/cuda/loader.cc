#include "backend/cuda/loader.h"

#include <filesystem>

#include "backend/cuda/cuda_links.h"
#include "core/error.h"
#include "core/system.h"

namespace burgeon::cuda {

namespace {

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorCode::kCuda, message); }

constexpr const char* kRebuild = "; build it with: npx burgeon build --cuda (in a clone: npm run build:cuda)";

class CudaDevice final : public Device {
 public:
  CudaDevice(const Api& api, int index, const std::string& cublaslt, const std::string& plans, const std::string& nccl)
      : api_(api), description_(describe_device(api, index)), nccl_(nccl) {
    char message[kMessageBytes] = "";
    queue_ = api.open(index, cublaslt.c_str(), plans.c_str(), message);
    if (!queue_) fail(std::string("cuda:") + std::to_string(index) + ": " + message);
  }
  ~CudaDevice() override { api_.close(queue_); }

  void* allocate(size_t bytes) override { return api_.allocate(queue_, bytes); }
  void release(void* block, size_t) override { api_.release(queue_, block); }
  size_t capacity() const override { return description_.memory; }
  const char* name() const override { return description_.name; }

  void write(void* to, const void* from, size_t bytes) override {
    check([&](char* message) { return api_.write(queue_, to, from, bytes, message); });
  }
  void read(void* to, const void* from, size_t bytes) override {
    check([&](char* message) { return api_.read(queue_, to, from, bytes, message); });
  }
  void clear(void* at, size_t bytes) override {
    check([&](char* message) { return api_.clear(queue_, at, bytes, message); });
  }
  void copy(void* to, const void* from, size_t bytes) override {
    check([&](char* message) { return api_.copy(queue_, to, from, bytes, message); });
  }

  int64_t mark() override {
    int64_t mark = 0;
    check([&](char* message) { return api_.mark(queue_, &mark, message); });
    return mark;
  }
  void keep_marks(int64_t count) override { api_.keep_marks(queue_, count); }
  double milliseconds(int64_t from, int64_t to) override {
    double ms = 0;
    check([&](char* message) { return api_.milliseconds(queue_, from, to, &ms, message); });
    return ms;
  }

  int64_t launches() const override { return api_.launches(); }

  bool records() const override { return true; }
  void begin_recording() override {
    check([&](char* message) { return api_.begin_recording(queue_, message); });
  }
  Recording* end_recording() override {
    Graph* graph = nullptr;
    check([&](char* message) { return (graph = api_.end_recording(queue_, message)) != nullptr; });
    return reinterpret_cast<Recording*>(graph);
  }
  void replay(Recording* recording) override {
    check([&](char* message) { return api_.replay(queue_, reinterpret_cast<Graph*>(recording), message); });
  }
  void release(Recording* recording) override { api_.release_graph(queue_, reinterpret_cast<Graph*>(recording)); }

  LinkAddress link_address() const override { return cuda::link_address(api_, description_, nccl_); }
  std::unique_ptr<DeviceLinks> link(Communicator& ranks) override { return cuda::link(api_, queue_, nccl_, ranks); }

  void* queue() const override { return queue_; }

 private:
  template <class Call>
  void check(Call call) const {
    char message[kMessageBytes] = "";
    if (call(message)) return;
    fail(std::string(description_.name) + ": " + message +
         ". The model cannot be used any further; the last checkpoint stands");
  }

  const Api& api_;
  const ApiDevice description_;
  const std::string nccl_;
  Queue* queue_;
};

}  // namespace

const Api& load_library(const std::string& path) {
  if (!std::filesystem::exists(std::filesystem::u8path(path)))
    fail("the CUDA library is not built (" + path + " is not there)" + kRebuild);
  std::string why;
  void* library = system::open_library(path, &why);
  if (!library) fail("the CUDA library could not be loaded: " + why);
  const auto get_api = reinterpret_cast<const Api* (*)(int)>(system::find_symbol(library, "burgeon_cuda_get_api"));
  if (!get_api) fail(path + " is no CUDA library of burgeon: it has no burgeon_cuda_get_api" + kRebuild);
  const Api* api = get_api(kApiVersion);
  if (!api || api->layout != kApiLayout || std::string(api->package) != BURGEON_VERSION) {
    fail(path + " was built from " + (api ? "version " + std::string(api->package) : "another version") +
         ", this is " BURGEON_VERSION + kRebuild);
  }
  return *api;
}

int count_devices(const Api& api) {
  char message[kMessageBytes] = "";
  const int count = api.count_devices(message);
  if (count == 0)
    fail(std::string("no CUDA device can be used: ") + message + " (library built with " + api.toolkit + ")");
  return count;
}

ApiDevice describe_device(const Api& api, int index) {
  const int count = count_devices(api);
  if (index >= count) {
    fail("cuda:" + std::to_string(index) + ": expected a device in [0, " + std::to_string(count) + ")");
  }
  ApiDevice description{};
  char message[kMessageBytes] = "";
  if (!api.describe(index, &description, message)) fail("cuda:" + std::to_string(index) + ": " + message);
  if (description.major < 8) {
    fail(std::string(description.name) + " has compute capability " + std::to_string(description.major) + "." +
         std::to_string(description.minor) + "; the CUDA backend needs 8.0 or later");
  }
  return description;
}

std::shared_ptr<Device> open_device(const Api& api, int index, const std::string& cublaslt, const std::string& plans,
                                    const std::string& nccl) {
  return std::make_shared<CudaDevice>(api, index, cublaslt, plans, nccl);
}

}  // namespace burgeon::cuda
