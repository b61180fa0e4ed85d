// A TCP connection of one process, and the few things that ranks do with it.
#pragma once

#include <cstddef>
#include <string>

namespace burgeon {

// Closes what it owns. Not copied.
class Socket {
 public:
  explicit Socket(int file = -1) : file_(file) {}
  ~Socket();
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;

  int file() const { return file_; }
  explicit operator bool() const { return file_ >= 0; }
  void close();

  // The address at the other end, for people and to connect to.
  std::string peer_address() const;

 private:
  int file_;
};

// Listens on all addresses, or for this machine alone; port 0 takes any, which is then in `port`. Throws Error(kRanks).
Socket listen_on(int* port, bool is_local = false);
// The next connection, or none within the time.
Socket accept_within(const Socket& listener, double seconds);
// One attempt; none with a reason where nobody listens there (yet).
Socket connect_within(const std::string& address, int port, double seconds, std::string* why);

// All of it, or false: the connection is closed, or nothing comes within the time.
bool send_all(const Socket& socket, const void* data, size_t bytes, double seconds);
bool receive_all(const Socket& socket, void* data, size_t bytes, double seconds);

// What can be sent or received now: bytes, 0 for nothing yet, -1 where the connection is closed.
long send_some(int file, const void* data, size_t bytes);
long receive_some(int file, void* data, size_t bytes);

// A pair of descriptors: what is written to the one wakes whoever polls the other.
struct Wake {
  Wake();
  ~Wake();
  Wake(const Wake&) = delete;
  void call() const;
  void drain() const;
  int read_end;
  int write_end;
};

// Of this machine, for people.
std::string host_name();

double now_seconds();

}  // namespace burgeon
