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
#include <cerrno>
#include <utility>
#include <vector>

#include "core/meeting.h"

namespace burgeon {

namespace {

class TcpCommunicator final : public Communicator {
 public:
  TcpCommunicator(const TcpPlace& place, Met met)
      : Communicator(place.rank, place.size, place.connect_seconds),
        data_(std::move(met.data)),
        names_(std::move(met.names)),
        watch_(std::move(met.watch)) {}
  ~TcpCommunicator() override { close(); }

  void exchange(const std::vector<Message>& messages, const char* what) override {
    left_ = messages;
    for (;;) {
      waiting_.clear();
      for (const Message& each : left_) {
        const short events = static_cast<short>((each.out_bytes > 0 ? POLLOUT : 0) | (each.in_bytes > 0 ? POLLIN : 0));
        // A descriptor that is negative is passed over.
        waiting_.push_back({events ? data_of(each.peer, what) : -1, events, 0});
      }
      const auto next = std::find_if(waiting_.begin(), waiting_.end(), [](const pollfd& each) { return each.fd >= 0; });
      if (next == waiting_.end()) return;
      const int waited_for = left_[static_cast<size_t>(next - waiting_.begin())].peer;
      if (watch_->has_failed()) fail(waited_for, what);
      waiting_.push_back({watch_->wakes(), POLLIN, 0});
      if (poll(waiting_.data(), static_cast<nfds_t>(waiting_.size()), -1) < 0) {
        if (errno == EINTR) continue;
        fail(waited_for, what);
      }
      for (size_t i = 0; i < left_.size(); ++i) {
        if (waiting_[i].revents != 0) pass(&left_[i], waiting_[i], what);
      }
    }
  }

  bool has_lost(double seconds) override { return !watch_ || !watch_->failure_within(seconds).empty(); }

  [[noreturn]] void fail(int peer, const char* what) override {
    if (!watch_) throw Error(ErrorCode::kRanks, "ranks: used after they parted");
    throw_lost(*watch_, names_[static_cast<size_t>(peer)], rank(), peer, what);
  }

  void give_up(const std::string& why) noexcept override {
    if (watch_) watch_->give_up(why);
  }

  void close() noexcept override {
    watch_.reset();
    data_.clear();
  }

 private:
  int data_of(int peer, const char* what) {
    if (!watch_) fail(peer, what);
    return data_[static_cast<size_t>(peer)].file();
  }

  // As much as can be now.
  void pass(Message* left, const pollfd& ready, const char* what) {
    if (left->out_bytes > 0 && ready.revents & (POLLOUT | POLLERR | POLLHUP)) {
      const long sent = send_some(ready.fd, left->out, left->out_bytes);
      if (sent < 0) fail(left->peer, what);
      left->out = static_cast<const char*>(left->out) + sent;
      left->out_bytes -= static_cast<size_t>(sent);
    }
    if (left->in_bytes > 0 && ready.revents & (POLLIN | POLLERR | POLLHUP)) {
      const long received = receive_some(ready.fd, left->in, left->in_bytes);
      if (received < 0) fail(left->peer, what);
      left->in = static_cast<char*>(left->in) + received;
      left->in_bytes -= static_cast<size_t>(received);
    }
  }

  std::vector<Socket> data_;  // to every other rank
  const std::vector<std::string> names_;
  std::unique_ptr<RankWatch> watch_;
  std::vector<Message> left_;  // of an exchange; kept for its memory, as those that are polled
  std::vector<pollfd> waiting_;
};

}  // namespace

std::unique_ptr<Communicator> meet_over_tcp(const TcpPlace& place) {
  return std::make_unique<TcpCommunicator>(place, meet(place, true));
}

}  // namespace burgeon

#endif
