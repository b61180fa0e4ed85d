#include "core/tcp_communicator.h"

#include "core/error.h"

#ifdef _WIN32

namespace burgeon {

std::unique_ptr<Communicator> meet_over_tcp(const TcpPlace&) {
  throw Error(ErrorCode::kRanks, "several ranks: expected Linux or macOS; on Windows a run has one process");
}

}  // namespace burgeon

#else

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "core/rank_watch.h"
#include "core/tcp_socket.h"

namespace burgeon {

namespace {

constexpr uint64_t kMagic = 0x316e6f6567727562;  // "burgeon1"
constexpr double kGreetingSeconds = 5;           // for what follows a connection at once

// What a process says first on every connection.
struct Greeting {
  uint64_t magic = kMagic;
  int32_t rank = 0;
  int32_t size = 0;
  int32_t is_watch = 0;  // of core/rank_watch.h; else of data
  int32_t port = 0;      // on which it is to be called
  char version[32] = {};
};

// Where a rank is called, as rank 0 saw it.
struct Place {
  char address[64] = {};
  int32_t port = 0;
};

std::string name_of(int rank, const std::string& address) {
  return "rank " + std::to_string(rank) + (address.empty() ? "" : " (" + address + ")");
}

class TcpCommunicator final : public Communicator {
 public:
  TcpCommunicator(int rank, std::vector<Socket> data, std::vector<std::string> names, std::unique_ptr<RankWatch> watch)
      : Communicator(rank, static_cast<int>(data.size())),
        data_(std::move(data)),
        names_(std::move(names)),
        watch_(std::move(watch)) {}
  ~TcpCommunicator() override { close(); }

  void exchange(int peer, const void* out, size_t out_bytes, void* in, size_t in_bytes, const char* what) override {
    if (data_.empty()) throw Error(ErrorCode::kRanks, "ranks: used after they parted");
    const int file = data_[static_cast<size_t>(peer)].file();
    const char* from = static_cast<const char*>(out);
    char* to = static_cast<char*>(in);
    while (out_bytes > 0 || in_bytes > 0) {
      if (watch_->has_failed()) fail(peer, what);
      const short events = static_cast<short>((out_bytes > 0 ? POLLOUT : 0) | (in_bytes > 0 ? POLLIN : 0));
      pollfd ready[] = {{file, events, 0}, {watch_->wakes(), POLLIN, 0}};
      if (poll(ready, 2, -1) < 0) {
        if (errno == EINTR) continue;
        fail(peer, what);
      }
      if (ready[0].revents == 0) continue;
      if (out_bytes > 0 && ready[0].revents & (POLLOUT | POLLERR | POLLHUP)) {
        const long sent = send_some(file, from, out_bytes);
        if (sent < 0) fail(peer, what);
        from += sent;
        out_bytes -= static_cast<size_t>(sent);
      }
      if (in_bytes > 0 && ready[0].revents & (POLLIN | POLLERR | POLLHUP)) {
        const long received = receive_some(file, to, in_bytes);
        if (received < 0) fail(peer, what);
        to += received;
        in_bytes -= static_cast<size_t>(received);
      }
    }
  }

  void give_up(const std::string& why) noexcept override {
    if (watch_) watch_->give_up(why);
  }

  void close() noexcept override {
    watch_.reset();
    data_.clear();
  }

 private:
  // A closed connection says that something is wrong; the watch knows what, or will at once.
  [[noreturn]] void fail(int peer, const char* what) {
    std::string why = watch_->failure_within(0.5);
    if (why.empty()) why = names_[static_cast<size_t>(peer)] + " ended";
    throw Error(ErrorCode::kRanks, why + "; rank " + std::to_string(rank()) + " was waiting for " + name_of(peer, "") +
                                       " in " + what + ". The run can be resumed from its newest checkpoint");
  }

  std::vector<Socket> data_;  // to every other rank
  const std::vector<std::string> names_;
  std::unique_ptr<RankWatch> watch_;
};

// How the ranks of a job find each other: all call rank 0, which tells them where the others are; each then calls those
// below it.
class Meeting {
 public:
  explicit Meeting(const TcpPlace& place)
      : place_(place),
        end_(now_seconds() + place.connect_seconds),
        data_(static_cast<size_t>(place.size)),
        watches_(static_cast<size_t>(place.size)),
        places_(static_cast<size_t>(place.size)) {
    int port = place.rank == 0 ? place.port : 0;
    listener_ = listen_on(&port);
    port_ = port;
  }

  std::unique_ptr<Communicator> meet() {
    if (place_.rank == 0) {
      accept_all(watches_, 1, true);
      for (size_t rank = 1; rank < watches_.size(); ++rank) {
        if (!send_all(watches_[rank], places_.data(), places_.size() * sizeof(Place), kGreetingSeconds)) lost(rank);
      }
    } else {
      watches_[0] = call(0, place_.address, place_.port, true);
      if (!receive_all(watches_[0], places_.data(), places_.size() * sizeof(Place), left())) {
        throw Error(ErrorCode::kRanks, "rank 0 (" + place_.address + "): " + waited() + " for all ranks of " +
                                           std::to_string(place_.size) +
                                           " to come; its own message names those that did not");
      }
      for (int rank = 0; rank < place_.rank; ++rank) {
        const Place& at = places_[static_cast<size_t>(rank)];
        const bool is_first = rank == 0;
        data_[static_cast<size_t>(rank)] =
            call(rank, is_first ? place_.address : at.address, is_first ? place_.port : at.port, false);
      }
    }
    accept_all(data_, place_.rank + 1, false);
    std::vector<std::string> names;
    for (int rank = 0; rank < place_.size; ++rank) {
      const Socket& socket = data_[static_cast<size_t>(rank)];
      names.push_back(name_of(rank, socket ? socket.peer_address() : host_name()));
    }
    auto watch = std::make_unique<RankWatch>(place_.rank, std::move(watches_), names, place_.silence_seconds);
    return std::make_unique<TcpCommunicator>(place_.rank, std::move(data_), std::move(names), std::move(watch));
  }

 private:
  double left() const { return std::max(0.0, end_ - now_seconds()); }
  std::string waited() const { return std::to_string(static_cast<int>(place_.connect_seconds)) + " s were not enough"; }

  [[noreturn]] void lost(size_t rank) {
    throw Error(ErrorCode::kRanks,
                name_of(static_cast<int>(rank), places_[rank].address) + " left before all had come");
  }

  // Connections from all ranks from `first` on.
  void accept_all(std::vector<Socket>& sockets, int first, bool is_watch) {
    size_t missing = sockets.size() - static_cast<size_t>(first);
    while (missing > 0) {
      Socket socket = accept_within(listener_, left());
      Greeting greeting;
      if (socket && (!receive_all(socket, &greeting, sizeof(greeting), std::min(kGreetingSeconds, left())) ||
                     greeting.magic != kMagic)) {
        continue;  // somebody else's
      }
      if (!socket) {
        std::string names;
        for (size_t rank = static_cast<size_t>(first); rank < sockets.size(); ++rank) {
          if (!sockets[rank]) names += (names.empty() ? "" : ", ") + std::to_string(rank);
        }
        throw Error(ErrorCode::kRanks, "rank " + std::to_string(place_.rank) + ": expected ranks " + names + " of " +
                                           std::to_string(place_.size) + " to come, " + waited());
      }
      check(greeting, first, is_watch);
      const size_t rank = static_cast<size_t>(greeting.rank);
      if (sockets[rank]) {
        throw Error(ErrorCode::kConfig,
                    "rank " + std::to_string(rank) +
                        ": expected once, came twice; is another job at the same address and port?");
      }
      if (is_watch) {
        std::strncpy(places_[rank].address, socket.peer_address().c_str(), sizeof(places_[rank].address) - 1);
        places_[rank].port = greeting.port;
      }
      sockets[rank] = std::move(socket);
      --missing;
    }
  }

  void check(const Greeting& greeting, int first, bool is_watch) const {
    const std::string who = "rank " + std::to_string(greeting.rank);
    if (greeting.size != place_.size) {
      throw Error(ErrorCode::kConfig, who + ": expected to be one of " + std::to_string(place_.size) +
                                          ", it says it is one of " + std::to_string(greeting.size));
    }
    if (std::string(greeting.version, strnlen(greeting.version, sizeof(greeting.version))) != BURGEON_VERSION) {
      throw Error(ErrorCode::kConfig, who + ": expected burgeon " BURGEON_VERSION ", it has another version");
    }
    if (greeting.rank < first || greeting.rank >= place_.size || (greeting.is_watch != 0) != is_watch) {
      throw Error(ErrorCode::kConfig, who + ": came out of turn; is another job at the same address and port?");
    }
  }

  Socket call(int rank, const std::string& address, int port, bool is_watch) {
    std::string why;
    for (;;) {
      Socket socket = connect_within(address, port, std::min(left(), kGreetingSeconds), &why);
      if (socket) {
        Greeting greeting;
        greeting.rank = place_.rank;
        greeting.size = place_.size;
        greeting.is_watch = is_watch;
        greeting.port = port_;
        std::strncpy(greeting.version, BURGEON_VERSION, sizeof(greeting.version) - 1);
        if (send_all(socket, &greeting, sizeof(greeting), kGreetingSeconds)) return socket;
      }
      if (left() <= 0) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    throw Error(ErrorCode::kRanks,
                name_of(rank, address + ":" + std::to_string(port)) + ": cannot be reached (" + why + "), " + waited());
  }

  const TcpPlace place_;
  const double end_;
  Socket listener_;
  int port_;
  std::vector<Socket> data_;
  std::vector<Socket> watches_;  // of rank 0 to all others, or of another to rank 0
  std::vector<Place> places_;
};

}  // namespace

std::unique_ptr<Communicator> meet_over_tcp(const TcpPlace& place) { return Meeting(place).meet(); }

}  // namespace burgeon

#endif
