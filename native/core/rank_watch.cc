#ifndef _WIN32
#include "core/rank_watch.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <utility>

namespace burgeon {

namespace {

constexpr double kEvery = 1;        // seconds between two words
constexpr size_t kMostText = 4000;  // of a message
// Messages: one letter, and for a failure the length of its text (2 bytes) and the text.
constexpr char kHere = 'h';
constexpr char kLeaves = 'l';
constexpr char kFailed = 'f';

std::string failure_message(const std::string& text) {
  const uint16_t length = static_cast<uint16_t>(std::min(text.size(), kMostText));
  std::string message(1, kFailed);
  message.append(reinterpret_cast<const char*>(&length), sizeof(length));
  return message + text.substr(0, length);
}

}  // namespace

RankWatch::RankWatch(int rank, std::vector<Socket> connections, std::vector<std::string> names, double silence_seconds)
    : rank_(rank), names_(std::move(names)), silence_seconds_(silence_seconds) {
  for (size_t i = 0; i < connections.size(); ++i) {
    if (connections[i]) peers_.push_back({static_cast<int>(i), std::move(connections[i]), "", "", now_seconds()});
  }
  thread_ = std::thread([this] { run(); });
}

RankWatch::~RankWatch() {
  leaves_ = true;
  asked_.call();
  thread_.join();
}

std::string RankWatch::failure_within(double seconds) {
  const double end = now_seconds() + seconds;
  while (!has_failed_ && now_seconds() < end) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const std::lock_guard<std::mutex> lock(mutex_);
  return failure_;
}

void RankWatch::give_up(const std::string& why) noexcept {
  try {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (own_.empty()) own_ = names_[static_cast<size_t>(rank_)] + ": " + why;
    }
    asked_.call();
    const double end = now_seconds() + 1;
    while (!is_told_ && now_seconds() < end) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  } catch (...) {  // no memory: the others see the connection close
  }
}

void RankWatch::run() {
  std::vector<pollfd> ready;
  double leaving_since = 0;
  bool has_given_up = false;
  for (;;) {
    const double now = now_seconds();
    speak(now);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!own_.empty() && !has_given_up) {
        has_given_up = true;
        for (Peer& peer : peers_) peer.to_send += failure_message(own_);
      }
    }
    if (leaves_ && leaving_since == 0) {
      leaving_since = now;
      for (Peer& peer : peers_) peer.to_send += kLeaves;
    }
    for (Peer& peer : peers_) flush(peer);
    if (has_given_up && is_all_sent()) is_told_ = true;
    if (leaves_ && now - leaving_since > 1) return;
    if (leaves_ && is_all_sent()) {
      // Closed here with something unread, a connection would take the word of leaving back: the others close it.
      bool is_closed = true;
      for (const Peer& peer : peers_) {
        if (!peer.socket) continue;
        shutdown(peer.socket.file(), SHUT_WR);
        is_closed = false;
      }
      if (is_closed) return;
    }

    ready.assign(1, {asked_.read_end, POLLIN, 0});
    for (const Peer& peer : peers_) {
      const short events = static_cast<short>(POLLIN | (peer.to_send.empty() ? 0 : POLLOUT));
      ready.push_back({peer.socket.file(), events, 0});  // a negative one is passed over
    }
    poll(ready.data(), static_cast<nfds_t>(ready.size()), 250);
    if (ready[0].revents) asked_.drain();
    for (size_t i = 0; i < peers_.size(); ++i) {
      if (ready[i + 1].revents & (POLLIN | POLLERR | POLLHUP)) hear(peers_[i], now_seconds());
    }
    for (Peer& peer : peers_) {
      if (peer.socket && !peer.has_left && now_seconds() - peer.last_heard > silence_seconds_) {
        lose(peer, " has been silent for " + std::to_string(static_cast<int>(silence_seconds_)) +
                       " s (it is stopped, or its network is cut)");
      }
    }
  }
}

void RankWatch::speak(double now) {
  if (leaves_ || now - last_spoken_ < kEvery) return;
  last_spoken_ = now;
  for (Peer& peer : peers_) {
    // To one that reads nothing no more is said.
    if (peer.to_send.size() < kMostText) peer.to_send += kHere;
  }
}

void RankWatch::flush(Peer& peer) {
  if (!peer.socket) peer.to_send.clear();
  while (!peer.to_send.empty()) {
    const long sent = send_some(peer.socket.file(), peer.to_send.data(), peer.to_send.size());
    // It may have left, and have said so in what is still to be heard: hearing tells.
    if (sent < 0) return peer.to_send.clear();
    if (sent == 0) return;
    peer.to_send.erase(0, static_cast<size_t>(sent));
  }
}

bool RankWatch::is_all_sent() const {
  return std::all_of(peers_.begin(), peers_.end(), [](const Peer& peer) { return peer.to_send.empty(); });
}

void RankWatch::hear(Peer& peer, double now) {
  char bytes[4096];
  const long received = receive_some(peer.socket.file(), bytes, sizeof(bytes));
  if (received == 0) return;
  if (received < 0) {
    if (peer.has_left || leaves_) {
      peer.socket.close();
    } else {
      lose(peer, " ended");
    }
    return;
  }
  peer.last_heard = now;
  peer.received.append(bytes, static_cast<size_t>(received));
  read_messages(peer);
}

void RankWatch::read_messages(Peer& peer) {
  std::string& text = peer.received;
  size_t at = 0;
  while (at < text.size()) {
    if (text[at] != kFailed) {
      if (text[at] == kLeaves) peer.has_left = true;
      ++at;
      continue;
    }
    uint16_t length;
    if (text.size() - at < 1 + sizeof(length)) break;
    std::memcpy(&length, text.data() + at + 1, sizeof(length));
    if (text.size() - at < 1 + sizeof(length) + length) break;
    fail(text.substr(at + 1 + sizeof(length), length), peer.rank);
    at += 1 + sizeof(length) + length;
  }
  text.erase(0, at);
}

void RankWatch::lose(Peer& peer, const std::string& why) {
  peer.socket.close();
  peer.to_send.clear();
  fail(names_[static_cast<size_t>(peer.rank)] + why, peer.rank);
}

// The first failure counts. All tell rank 0, which tells the others.
void RankWatch::fail(const std::string& why, int from) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (has_failed_) return;
    failure_ = why;
  }
  has_failed_ = true;
  failed_.call();
  for (Peer& peer : peers_) {
    if ((rank_ == 0 || peer.rank == 0) && peer.rank != from && peer.socket) peer.to_send += failure_message(why);
  }
}

}  // namespace burgeon

#endif
