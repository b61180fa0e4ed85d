// Who is still there. Every rank says so every second to rank 0, and to every other that it exchanges data with over
// TCP, on connections of their own and from a thread of its own, however long its step takes; where one ends, is silent
// or gives up, rank 0 hears of it and tells all.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/tcp_socket.h"

namespace burgeon {

class RankWatch {
 public:
  // `connections`: to those that are watched, each at its number; `names` of all, for people.
  RankWatch(int rank, std::vector<Socket> connections, std::vector<std::string> names, double silence_seconds);
  // Leaves in peace.
  ~RankWatch();
  RankWatch(const RankWatch&) = delete;

  bool has_failed() const { return has_failed_; }
  // Can be read from once something has failed.
  int wakes() const { return failed_.read_end; }
  // What has failed first, as soon as that is known; empty where it is not within the time.
  std::string failure_within(double seconds);

  // The others fail with these words. Returns when they are sent, or after a second.
  void give_up(const std::string& why) noexcept;

 private:
  struct Peer {
    int rank;
    Socket socket;
    std::string received;  // the beginning of a message
    std::string to_send;
    double last_heard;
    bool has_left = false;
  };

  void run();
  void speak(double now);
  void flush(Peer& peer);
  void hear(Peer& peer, double now);
  void read_messages(Peer& peer);
  void fail(const std::string& why, int from);
  void lose(Peer& peer, const std::string& why);
  bool is_all_sent() const;

  const int rank_;
  const std::vector<std::string> names_;
  const double silence_seconds_;
  std::vector<Peer> peers_;  // of the thread's alone
  double last_spoken_ = 0;
  Wake failed_;
  Wake asked_;
  std::atomic<bool> has_failed_{false};
  std::atomic<bool> leaves_{false};
  std::atomic<bool> is_told_{false};  // what was given up for is sent
  std::mutex mutex_;
  std::string failure_;  // guarded
  std::string own_;      // guarded: what this rank gave up for
  std::thread thread_;
};

}  // namespace burgeon
