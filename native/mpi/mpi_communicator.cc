#include "mpi/mpi_communicator.h"

#include "core/error.h"

#ifdef _WIN32

namespace burgeon {

std::unique_ptr<Communicator> meet_over_mpi(const std::string&, const TcpPlace&) {
  throw Error(ErrorCode::kRanks, "several ranks: expected Linux or macOS; on Windows a run has one process");
}

std::string mpi_name(const std::string&, std::string* why) {
  *why = "not on Windows";
  return "";
}

}  // namespace burgeon

#else

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "core/meeting.h"
#include "core/system.h"
#include "mpi/mpi_api.h"

namespace burgeon {

namespace {

const mpi::Api* find_api(const std::string& path, std::string* why) {
  void* library = system::open_library(path, why);
  if (!library) return nullptr;
  const auto get = reinterpret_cast<const mpi::Api* (*)(int)>(system::find_symbol(library, "burgeon_mpi_get_api"));
  const mpi::Api* api = get ? get(mpi::kApiVersion) : nullptr;
  if (api && std::string(api->package) == BURGEON_VERSION) return api;
  *why = path + (get ? " was built from another version, this is " BURGEON_VERSION : " is no MPI library of burgeon");
  return nullptr;
}

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(const TcpPlace& place, const mpi::Api& api, Met met)
      : Communicator(place.rank, place.size, place.connect_seconds),
        api_(api),
        names_(std::move(met.names)),
        watch_(std::move(met.watch)) {}
  ~MpiCommunicator() override { close(); }

  void exchange(const std::vector<Message>& messages, const char* what) override {
    constexpr size_t kMost = size_t{1} << 30;  // MPI counts in int
    size_t most = 0;
    for (const Message& each : messages) most = std::max({most, each.out_bytes, each.in_bytes});
    std::vector<Message> parts;
    for (size_t done = 0; done < most; done += kMost) {
      parts.clear();
      for (const Message& each : messages) {
        const auto left = [&](size_t bytes) { return std::min(kMost, bytes - std::min(done, bytes)); };
        Message part{each.peer, nullptr, left(each.out_bytes), nullptr, left(each.in_bytes)};
        if (part.out_bytes > 0) part.out = static_cast<const char*>(each.out) + done;
        if (part.in_bytes > 0) part.in = static_cast<char*>(each.in) + done;
        if (part.out_bytes > 0 || part.in_bytes > 0) parts.push_back(part);
      }
      pass(parts, what);
    }
  }

  bool has_lost(double seconds) override { return !watch_ || !watch_->failure_within(seconds).empty(); }

  [[noreturn]] void fail(int peer, const char* what) override {
    if (!watch_) throw Error(ErrorCode::kRanks, "ranks: used after they parted");
    throw_lost(*watch_, names_[static_cast<size_t>(peer)], rank(), peer, what);
  }

  void give_up(const std::string& why) noexcept override {
    has_given_up_ = true;
    if (watch_) watch_->give_up(why);
  }

  void close() noexcept override {
    // MPI ends only where all ranks come to its end.
    if (watch_ && !has_given_up_ && !watch_->has_failed()) api_.finish();
    watch_.reset();
  }

 private:
  void pass(const std::vector<Message>& messages, const char* what) {
    char text[mpi::kMessageBytes] = "";
    std::vector<mpi::Request*> requests;
    for (const auto& [peer, out, out_bytes, in, in_bytes] : messages) {
      if (!watch_) fail(peer, what);
      requests.push_back(nullptr);
      if (!api_.begin(peer, out, out_bytes, in, in_bytes, &requests.back(), text)) fail_of_mpi(peer, what, text);
    }
    // MPI makes progress while it is asked. For a short while as often as can be, then giving way to others.
    const auto begun = std::chrono::steady_clock::now();
    for (size_t i = 0; i < messages.size();) {
      const int peer = messages[i].peer;
      bool done = false;
      if (!api_.is_done(requests[i], &done, text)) fail_of_mpi(peer, what, text);
      if (done) {
        ++i;
        continue;
      }
      if (watch_->has_failed()) fail(peer, what);
      if (std::chrono::steady_clock::now() - begun > std::chrono::milliseconds(2)) {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
    }
  }

  [[noreturn]] void fail_of_mpi(int peer, const char* what, const std::string& message) {
    throw_lost(*watch_, names_[static_cast<size_t>(peer)] + ": " + message + "; it", rank(), peer, what);
  }

  const mpi::Api& api_;
  const std::vector<std::string> names_;
  std::unique_ptr<RankWatch> watch_;
  std::atomic<bool> has_given_up_{false};
};

}  // namespace

std::unique_ptr<Communicator> meet_over_mpi(const std::string& library, const TcpPlace& place) {
  std::string why;
  const mpi::Api* api = find_api(library, &why);
  if (!api) throw Error(ErrorCode::kRanks, "the MPI library could not be used: " + why);
  char message[mpi::kMessageBytes] = "";
  const auto check = [&](bool is_right) {
    if (!is_right) throw Error(ErrorCode::kRanks, "rank " + std::to_string(place.rank) + ": " + message);
  };
  int rank = 0;
  int size = 0;
  check(api->start(&rank, &size, message));
  if (rank != place.rank || size != place.size) {
    throw Error(ErrorCode::kConfig, "rank " + std::to_string(place.rank) + " of " + std::to_string(place.size) +
                                        ": MPI says it is rank " + std::to_string(rank) + " of " +
                                        std::to_string(size) + "; start all ranks with one mpirun or srun --mpi");
  }
  struct {
    char address[256] = {};
    int port = 0;
  } first;
  Socket listener;
  if (rank == 0) {
    listener = listen_on(&first.port);
    std::strncpy(first.address, host_name().c_str(), sizeof(first.address) - 1);
  }
  check(api->broadcast(&first, sizeof(first), message));
  TcpPlace met = place;
  met.address = first.address == host_name() ? "127.0.0.1" : first.address;
  met.port = first.port;
  return std::make_unique<MpiCommunicator>(place, *api, meet(met, false, std::move(listener)));
}

std::string mpi_name(const std::string& library, std::string* why) {
  const mpi::Api* api = find_api(library, why);
  return api ? api->name : "";
}

}  // namespace burgeon

#endif
