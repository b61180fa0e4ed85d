// A library with the part of NCCL's interface that is used, for streams of the host: processes, or threads of one, that
// connect over sockets of this machine. As strict as its documentation: calls between the start and the end of a group,
// communicators that do not block, both ends of an exchange of one size. What is begun goes on in
// ncclCommGetAsyncError. BURGEON_NCCL_HOST_STALLS: the rank that stops exchanging after its first group, as a link that
// hangs.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "backend/cuda/library/nccl.h"
#include "kernels/cuda/device.cuh"

namespace burgeon::cuda::nccl {

namespace {

// What is to go one way over a connection: first its length, so that two that disagree are found out.
struct Transfer {
  int peer;
  bool is_sent;
  char* data;
  uint64_t bytes;
  uint64_t length = 0;  // as the other says
  uint64_t moved = 0;   // of the length, then of the data
  uint64_t all() const { return sizeof(uint64_t) + bytes; }
};

int64_t move(int file, bool is_sent, void* data, size_t bytes) {
  const ssize_t moved =
      is_sent ? ::send(file, data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) : ::recv(file, data, bytes, MSG_DONTWAIT);
  if (moved < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
  return moved == 0 && !is_sent ? -1 : moved;
}

// A name that no file stands for (unix(7), abstract).
sockaddr_un address_of(const UniqueId& id, int rank) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "burgeon-nccl-%.64s-%d", id.bytes, rank);
  return address;
}

}  // namespace

struct CommOpaque {
  const int rank;
  const int size;
  const UniqueId id;
  int listener = -1;
  std::vector<int> files;    // to all others; -1: not yet
  std::vector<int> unnamed;  // called, and have not said who they are
  std::vector<Transfer> transfers;
  int groups = 0;
  Result failure = kSuccess;
  std::string detail;

  CommOpaque(int own, int all, const UniqueId& of)
      : rank(own), size(all), id(of), files(static_cast<size_t>(all), -1) {}
  ~CommOpaque() {
    for (const int file : files) {
      if (file >= 0) ::close(file);
    }
    for (const int file : unnamed) ::close(file);
    if (listener >= 0) ::close(listener);
  }

  Result fail(Result result, const std::string& why) {
    failure = result;
    detail = why;
    return result;
  }

  bool is_connected() const {
    for (int other = 0; other < size; ++other) {
      if (other != rank && files[static_cast<size_t>(other)] < 0) return false;
    }
    return true;
  }

  // Calls those below, and is called by those above.
  void connect_some() {
    for (int other = 0; other < rank; ++other) {
      int& file = files[static_cast<size_t>(other)];
      if (file >= 0) continue;
      const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
      const sockaddr_un address = address_of(id, other);
      if (connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
          ::send(socket, &rank, sizeof(rank), MSG_NOSIGNAL) == sizeof(rank)) {
        file = socket;
      } else {
        ::close(socket);
      }
    }
    pollfd waiting{listener, POLLIN, 0};
    while (poll(&waiting, 1, 0) > 0) {
      const int file = accept(listener, nullptr, nullptr);
      if (file >= 0) unnamed.push_back(file);
    }
    for (int& file : unnamed) {
      int other = -1;
      if (::recv(file, &other, sizeof(other), MSG_DONTWAIT) != sizeof(other)) continue;
      files[static_cast<size_t>(other)] = file;
      file = -1;
    }
    unnamed.erase(std::remove(unnamed.begin(), unnamed.end(), -1), unnamed.end());
  }

  Result go_on() {
    if (failure != kSuccess) return failure;
    if (!is_connected()) connect_some();
    if (!is_connected()) return kInProgress;
    const char* const stalls = std::getenv("BURGEON_NCCL_HOST_STALLS");
    if (stalls && std::atoi(stalls) == rank && groups > 1) return kInProgress;
    for (Transfer& transfer : transfers) {
      if (transfer.peer != rank && !advance(&transfer)) return failure;
    }
    transfers.erase(
        std::remove_if(transfers.begin(), transfers.end(), [](const Transfer& t) { return t.moved == t.all(); }),
        transfers.end());
    return transfers.empty() ? kSuccess : kInProgress;
  }

  bool advance(Transfer* t) {
    for (;;) {
      const bool is_length = t->moved < sizeof(uint64_t);
      char* const at = is_length ? reinterpret_cast<char*>(t->is_sent ? &t->bytes : &t->length) + t->moved
                                 : t->data + (t->moved - sizeof(uint64_t));
      const uint64_t left = is_length ? sizeof(uint64_t) - t->moved : t->all() - t->moved;
      if (left == 0) return true;
      const int64_t moved = move(files[static_cast<size_t>(t->peer)], t->is_sent, at, left);
      if (moved == 0) return true;
      if (moved < 0) {
        fail(kRemoteError, "rank " + std::to_string(t->peer) + " closed its connection");
        return false;
      }
      t->moved += static_cast<uint64_t>(moved);
      if (!t->is_sent && t->moved == sizeof(uint64_t) && t->length != t->bytes) {
        fail(kInvalidUsage, "rank " + std::to_string(t->peer) + " sends " + std::to_string(t->length) + " bytes, " +
                                std::to_string(t->bytes) + " are received");
        return false;
      }
    }
  }
};

namespace {

// Of the calling thread.
struct Group {
  int depth = 0;
  CommOpaque* comm = nullptr;
  Stream stream = nullptr;
  std::vector<Transfer> transfers;
};
thread_local Group group;

std::atomic<int64_t> sent_bytes{0};  // to other ranks, by all of this process

Result add(void* data, size_t count, DataType type, int peer, Comm comm, Stream stream, bool is_sent) {
  if (!comm || !data || type != kInt8 || peer < 0 || peer >= comm->size) return kInvalidArgument;
  // Else one of two that send to each other would wait for ever.
  if (group.depth == 0 || !comm->is_connected() || !comm->transfers.empty()) return kInvalidUsage;
  group.comm = comm;
  group.stream = stream;
  group.transfers.push_back({peer, is_sent, static_cast<char*>(data), count});
  return kSuccess;
}

// What a rank sends to itself is there at once.
Result deliver_own(CommOpaque* comm) {
  std::vector<Transfer*> own[2];
  for (Transfer& t : comm->transfers) {
    if (t.peer == comm->rank) own[t.is_sent].push_back(&t);
  }
  if (own[0].size() != own[1].size())
    return comm->fail(kInvalidUsage, "a rank sends to itself what it does not receive");
  for (size_t i = 0; i < own[0].size(); ++i) {
    if (own[0][i]->bytes != own[1][i]->bytes) return comm->fail(kInvalidUsage, "sizes differ");
    std::memmove(own[0][i]->data, own[1][i]->data, own[0][i]->bytes);
    for (const auto& side : own) side[i]->moved = side[i]->all();
  }
  return kSuccess;
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

Result ncclGetVersion(int* version) {
  *version = 22900;
  return kSuccess;
}

const char* ncclGetErrorString(Result result) {
  switch (result) {
    case kSuccess:
      return "no error";
    case kInvalidArgument:
      return "invalid argument";
    case kInvalidUsage:
      return "invalid usage";
    case kRemoteError:
      return "remote process exited or there was a network error";
    default:
      return "unhandled system error";
  }
}

const char* ncclGetLastError(Comm comm) { return comm ? comm->detail.c_str() : ""; }

Result ncclGetUniqueId(UniqueId* id) {
  static std::atomic<int> made{0};
  std::memset(id->bytes, 0, sizeof(id->bytes));
  std::snprintf(id->bytes, sizeof(id->bytes), "%d.%d", static_cast<int>(getpid()), ++made);
  return kSuccess;
}

Result ncclCommInitRankConfig(Comm* comm, int size, UniqueId id, int rank, Config* config) {
  if (config->magic != Config().magic || config->version < 21400 || config->size < sizeof(Config)) return kInvalidUsage;
  if (config->blocking != 0) return kInvalidArgument;
  if (size < 1 || rank < 0 || rank >= size || id.bytes[0] == '\0') return kInvalidArgument;
  auto made = new CommOpaque(rank, size, id);
  *comm = made;
  made->listener = socket(AF_UNIX, SOCK_STREAM, 0);
  const sockaddr_un address = address_of(id, rank);
  if (bind(made->listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(made->listener, size) != 0) {
    return made->fail(kSystemError, std::strerror(errno));
  }
  return size == 1 ? kSuccess : kInProgress;
}

Result ncclCommAbort(Comm comm) {
  delete comm;
  return kSuccess;
}

Result ncclCommGetAsyncError(Comm comm, Result* state) {
  *state = comm->go_on();
  return kSuccess;
}

Result ncclSend(const void* data, size_t count, DataType type, int peer, Comm comm, Stream stream) {
  return add(const_cast<void*>(data), count, type, peer, comm, stream, true);
}

Result ncclRecv(void* data, size_t count, DataType type, int peer, Comm comm, Stream stream) {
  return add(data, count, type, peer, comm, stream, false);
}

// Of the stand-in alone.
int64_t burgeon_nccl_host_sent_bytes() { return sent_bytes; }

Result ncclGroupStart() {
  ++group.depth;
  return kSuccess;
}

Result ncclGroupEnd() {
  if (group.depth == 0) return kInvalidUsage;
  if (--group.depth > 0 || group.transfers.empty()) return kSuccess;
  // What the host has written comes first.
  host::finish_copies(group.stream);
  CommOpaque* const comm = group.comm;
  comm->transfers = std::move(group.transfers);
  group.transfers.clear();
  for (const Transfer& transfer : comm->transfers) {
    if (transfer.is_sent && transfer.peer != comm->rank) sent_bytes += static_cast<int64_t>(transfer.bytes);
  }
  ++comm->groups;
  const Result own = deliver_own(comm);
  return own == kSuccess ? kInProgress : own;
}

}  // extern "C"

}  // namespace burgeon::cuda::nccl
