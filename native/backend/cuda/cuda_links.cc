#include "backend/cuda/cuda_links.h"

#include <chrono>
#include <thread>
#include <vector>

#include "backend/cuda/loader.h"
#include "core/arena.h"
#include "core/collectives.h"
#include "core/error.h"

namespace burgeon::cuda {

namespace {

using Clock = std::chrono::steady_clock;

constexpr double kSlowestBytes = 50e6;  // per second: what is slower has stopped

double seconds_since(Clock::time_point begun) { return std::chrono::duration<double>(Clock::now() - begun).count(); }

[[noreturn]] void fail(const std::string& message) {
  throw Error(ErrorCode::kCuda, message + ". BURGEON_NCCL_LIBRARY=off for every rank goes through the hosts instead");
}

class CudaLinks final : public DeviceLinks {
 public:
  CudaLinks(const Api& api, Queue* queue, const std::string& nccl, const char* id, int rank, int size)
      : api_(api), queue_(queue), peer_(size > 1 ? rank ^ 1 : 0) {
    char message[kMessageBytes] = "";
    if (!api_.find_nccl(nccl.c_str(), message)) fail(message);
    name_ = message;
    link_ = api_.open_link(queue, nccl.c_str(), id, rank, size, message);
    if (!link_) fail(message);
  }
  ~CudaLinks() override { close(); }

  std::string name() const override { return name_; }

  void exchange(Communicator& ranks, const std::vector<Message>& messages, const char* what) override {
    if (messages.empty()) return;
    peer_ = messages.front().peer;
    for (const Message& each : messages) bytes_ += each.out_bytes + each.in_bytes;
    attempt(ranks, what,
            [&](char* message) { return api_.exchange(require_link(), messages.data(), messages.size(), message); });
    wait_until_ready(ranks, what);
  }

  void finish(Communicator& ranks, const char* what) override {
    int64_t mark = 0;
    attempt(ranks, what, [&](char* message) { return api_.mark(queue_, &mark, message); });
    wait(ranks, what, [&](bool* done, char* message) {
      if (!api_.is_ready(require_link(), done, message)) return false;
      return !*done || api_.has_passed(queue_, mark, done, message);
    });
    bytes_ = 0;
  }

  void wait_until_ready(Communicator& ranks, const char* what) {
    wait(ranks, what, [&](bool* done, char* message) { return api_.is_ready(require_link(), done, message); });
  }

 private:
  Link* require_link() const {
    if (!link_) fail("links between devices: used after they failed");
    return link_;
  }

  void close() {
    if (link_) api_.close_link(link_);
    link_ = nullptr;
  }

  // What fails because a rank was lost says so. In any case nothing more goes over the links.
  template <class Call>
  void attempt(Communicator& ranks, const char* what, Call call) {
    char message[kMessageBytes] = "";
    if (call(message)) return;
    close();
    if (ranks.has_lost(1)) ranks.fail(peer_, what);
    fail(std::string(what) + ": " + message);
  }

  // As often as can be for a short while, then giving way to others.
  template <class Done>
  void wait(Communicator& ranks, const char* what, Done is_done) {
    const auto begun = Clock::now();
    const double patience = ranks.patience_seconds() + static_cast<double>(bytes_) / kSlowestBytes;
    for (bool done = false;;) {
      attempt(ranks, what, [&](char* message) { return is_done(&done, message); });
      if (done) return;
      if (ranks.has_lost(0)) {
        close();
        ranks.fail(peer_, what);
      }
      const double waited = seconds_since(begun);
      if (waited > patience) {
        close();
        fail(std::string(what) + ": rank " + std::to_string(ranks.rank()) + " waited " +
             std::to_string(static_cast<int>(waited)) + " s for NCCL and rank " + std::to_string(peer_) +
             ", which is there (BURGEON_RANK_WAIT)");
      }
      if (waited > 2e-3) {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      } else {
        std::this_thread::yield();
      }
    }
  }

  const Api& api_;
  Queue* const queue_;
  std::string name_;
  Link* link_ = nullptr;
  int peer_;          // the first of the newest exchange
  size_t bytes_ = 0;  // under way
};

// The only rank.
class Alone final : public Communicator {
 public:
  Alone() : Communicator(0, 1, 60) {}
  void exchange(const std::vector<Message>&, const char*) override {}
  bool has_lost(double) override { return false; }
  [[noreturn]] void fail(int, const char* what) override { cuda::fail(what); }
  void give_up(const std::string&) noexcept override {}
  void close() noexcept override {}
};

}  // namespace

LinkAddress link_address(const Api& api, const ApiDevice& device, const std::string& nccl) {
  char name[kMessageBytes] = "";
  if (api.find_nccl(nccl.c_str(), name)) return {device.id, hash_of(name)};
  if (!nccl.empty() && nccl != "off") fail(name);
  return {};
}

std::unique_ptr<DeviceLinks> link(const Api& api, Queue* queue, const std::string& nccl, Communicator& ranks) {
  const char* const what = "connecting the devices of all ranks";
  char id[kLinkIdBytes] = "";
  char message[kMessageBytes] = "";
  if (ranks.rank() == 0 && !api.make_link_id(nccl.c_str(), id, message)) fail(message);
  broadcast(ranks, id, sizeof(id), what);
  auto links = std::make_unique<CudaLinks>(api, queue, nccl, id, ranks.rank(), ranks.size());
  links->wait_until_ready(ranks, what);
  return links;
}

int64_t check_link(const Api& api, int index, const std::string& nccl, size_t bytes) {
  const std::shared_ptr<Device> device = open_device(api, index, "off");
  Alone alone;
  const auto links = link(api, static_cast<Queue*>(device->queue()), nccl, alone);
  Arena from(*device, bytes, "a test of NCCL");
  Arena to(*device, bytes, "a test of NCCL");
  std::vector<unsigned char> sent(bytes);
  for (size_t i = 0; i < bytes; ++i) sent[i] = static_cast<unsigned char>(i * 7 + i / 251);
  device->write(from.data(), sent.data(), bytes);
  links->exchange(alone, {{0, from.data(), bytes, to.data(), bytes}}, "a test of NCCL");
  links->finish(alone, "a test of NCCL");
  std::vector<unsigned char> received(bytes);
  device->read(received.data(), to.data(), bytes);
  int64_t differing = 0;
  for (size_t i = 0; i < bytes; ++i) differing += received[i] != sent[i];
  return differing;
}

}  // namespace burgeon::cuda
