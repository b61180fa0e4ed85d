#ifndef _WIN32
#include "core/meeting.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <thread>
#include <utility>

#include "core/error.h"

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

// How the ranks of a job find each other: all call rank 0, which tells them where the others are; each then calls those
// below it. All that exchange data watch each other as well: a network that is cut between two alone rank 0 does not
// see.
class Meeting {
 public:
  Meeting(const TcpPlace& place, Socket listener)
      : place_(place),
        end_(now_seconds() + place.connect_seconds),
        data_(static_cast<size_t>(place.size)),
        watches_(static_cast<size_t>(place.size)),
        places_(static_cast<size_t>(place.size)),
        listener_(std::move(listener)),
        port_(place.rank == 0 ? place.port : 0) {
    // Ranks trust whoever calls them, so those of one machine are not to be called from others.
    const bool is_local = place.address == "localhost" || place.address.rfind("127.", 0) == 0;
    if (!listener_) listener_ = listen_on(&port_, is_local);
  }

  Met meet(bool with_data) {
    meet_watches();
    if (with_data) connect_all();
    std::vector<std::string> names;
    for (int rank = 0; rank < place_.size; ++rank) {
      const Place& at = places_[static_cast<size_t>(rank)];
      names.push_back(rank_name(rank, rank == place_.rank ? host_name() : rank == 0 ? place_.address : at.address));
    }
    auto watch = std::make_unique<RankWatch>(place_.rank, std::move(watches_), names, place_.silence_seconds);
    return {std::move(names), std::move(watch), std::move(data_)};
  }

 private:
  void meet_watches() {
    if (place_.rank == 0) {
      accept_all();
      for (size_t rank = 1; rank < watches_.size(); ++rank) {
        if (!send_all(watches_[rank], places_.data(), places_.size() * sizeof(Place), kGreetingSeconds)) lost(rank);
      }
      return;
    }
    watches_[0] = call(0, place_.address, place_.port, true);
    if (!receive_all(watches_[0], places_.data(), places_.size() * sizeof(Place), left())) {
      const std::string all = "all ranks of " + std::to_string(place_.size);
      throw Error(ErrorCode::kRanks,
                  "rank 0 (" + place_.address + "): " +
                      (left() > 0 ? "ended before " + all + " had come; its own message says why"
                                  : waited() + " for " + all + " to come; its own message names those that did not"));
    }
  }

  // Each calls those below it.
  void connect_all() {
    is_connecting_ = true;
    for (int rank = 0; rank < place_.rank; ++rank) {
      const Place& at = places_[static_cast<size_t>(rank)];
      const std::string address = rank == 0 ? place_.address : at.address;
      const int port = rank == 0 ? place_.port : at.port;
      if (rank > 0) watches_[static_cast<size_t>(rank)] = call(rank, address, port, true);
      data_[static_cast<size_t>(rank)] = call(rank, address, port, false);
    }
    accept_all();
  }

  // Whether this rank is to be called by that one.
  bool is_due(int rank, bool is_watch) const {
    if (rank <= place_.rank || rank >= place_.size) return false;
    if (!is_connecting_) return is_watch;
    return !is_watch || place_.rank > 0;
  }

  // Names of those that have not called yet.
  std::string missing() const {
    std::string names;
    for (int rank = place_.rank + 1; rank < place_.size; ++rank) {
      const size_t at = static_cast<size_t>(rank);
      if ((is_due(rank, true) && !watches_[at]) || (is_due(rank, false) && !data_[at])) {
        names += (names.empty() ? "" : ", ") + std::to_string(rank);
      }
    }
    return names;
  }

  double left() const { return std::max(0.0, end_ - now_seconds()); }
  std::string waited() const { return std::to_string(static_cast<int>(place_.connect_seconds)) + " s were not enough"; }

  [[noreturn]] void lost(size_t rank) {
    throw Error(ErrorCode::kRanks,
                rank_name(static_cast<int>(rank), places_[rank].address) + " left before all had come");
  }

  // Until all that are due have called.
  void accept_all() {
    for (std::string names = missing(); !names.empty(); names = missing()) {
      Socket socket = accept_within(listener_, left());
      if (!socket && left() > 0) continue;
      if (!socket) {
        throw Error(ErrorCode::kRanks, rank_name(place_.rank, host_name()) + ": expected ranks " + names + " of " +
                                           std::to_string(place_.size) + " to come, " + waited());
      }
      Greeting greeting;
      if (!receive_all(socket, &greeting, sizeof(greeting), std::min(kGreetingSeconds, left())) ||
          greeting.magic != kMagic) {
        continue;  // somebody else's
      }
      const bool is_watch = greeting.is_watch != 0;
      const size_t rank = static_cast<size_t>(greeting.rank);
      check(greeting, rank_name(greeting.rank, socket.peer_address()));
      Socket& own = is_watch ? watches_[rank] : data_[rank];
      // One that ended meanwhile may have been started again.
      char byte;
      if (own && receive_some(own.file(), &byte, 1) < 0) own.close();
      if (own) {
        throw Error(ErrorCode::kConfig,
                    rank_name(greeting.rank, socket.peer_address()) +
                        ": expected once, came twice; is another job at the same address and port?");
      }
      if (!is_connecting_) {
        std::strncpy(places_[rank].address, socket.peer_address().c_str(), sizeof(places_[rank].address) - 1);
        places_[rank].port = greeting.port;
      }
      own = std::move(socket);
    }
  }

  void check(const Greeting& greeting, const std::string& who) const {
    if (greeting.size != place_.size) {
      throw Error(ErrorCode::kConfig, who + ": expected to be one of " + std::to_string(place_.size) +
                                          ", it says it is one of " + std::to_string(greeting.size));
    }
    if (std::string(greeting.version, strnlen(greeting.version, sizeof(greeting.version))) != BURGEON_VERSION) {
      throw Error(ErrorCode::kConfig, who + ": expected burgeon " BURGEON_VERSION ", it has another version");
    }
    if (!is_due(greeting.rank, greeting.is_watch != 0)) {
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
    throw Error(ErrorCode::kRanks, rank_name(rank, address + ":" + std::to_string(port)) + ": cannot be reached (" +
                                       why + "), " + waited());
  }

  const TcpPlace place_;
  const double end_;
  std::vector<Socket> data_;
  std::vector<Socket> watches_;  // of rank 0 to all others; of another to rank 0, and to all where data goes over TCP
  std::vector<Place> places_;
  Socket listener_;
  int port_;
  bool is_connecting_ = false;  // all have met at rank 0
};

}  // namespace

Met meet(const TcpPlace& place, bool with_data, Socket listener) {
  return Meeting(place, std::move(listener)).meet(with_data);
}

std::string rank_name(int rank, const std::string& address) {
  return "rank " + std::to_string(rank) + (address.empty() ? "" : " (" + address + ")");
}

// A closed connection says that something is wrong; the watch knows what, or will at once.
void throw_lost(RankWatch& watch, const std::string& peer, int rank, int peer_rank, const char* what) {
  std::string why = watch.failure_within(0.5);
  if (why.empty()) why = peer + " ended";
  throw Error(ErrorCode::kRanks, why + "; rank " + std::to_string(rank) + " was waiting for " +
                                     rank_name(peer_rank, "") + " in " + what +
                                     ". The run can be resumed from its newest checkpoint");
}

}  // namespace burgeon

#endif
