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

  void exchange(int peer, const void* out, size_t out_bytes, void* in, size_t in_bytes, const char* what) override {
    if (!watch_) fail(peer, what);
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
  std::vector<Socket> data_;  // to every other rank
  const std::vector<std::string> names_;
  std::unique_ptr<RankWatch> watch_;
};

}  // namespace

std::unique_ptr<Communicator> meet_over_tcp(const TcpPlace& place) {
  return std::make_unique<TcpCommunicator>(place, meet(place, true));
}

}  // namespace burgeon

#endif
