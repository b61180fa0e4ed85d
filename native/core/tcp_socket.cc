#ifndef _WIN32
#include "core/tcp_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace burgeon {

namespace {

#ifdef MSG_NOSIGNAL
constexpr int kNoSignal = MSG_NOSIGNAL;
#else
constexpr int kNoSignal = 0;  // SO_NOSIGPIPE instead
#endif

void make_private(int file) {
  fcntl(file, F_SETFD, FD_CLOEXEC);
  fcntl(file, F_SETFL, fcntl(file, F_GETFL) | O_NONBLOCK);
}

void prepare(int file) {
  make_private(file);
  const int on = 1;
  setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
#ifdef SO_NOSIGPIPE
  setsockopt(file, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
#endif
}

// Whether there is something to do within the time.
bool wait_for(int file, short events, double seconds) {
  const double end = now_seconds() + seconds;
  for (;;) {
    pollfd each{file, events, 0};
    const double left = std::max(0.0, end - now_seconds());
    const int found = poll(&each, 1, static_cast<int>(left * 1000) + 1);
    if (found > 0) return true;
    if (found < 0 && errno != EINTR) return false;
    if (now_seconds() >= end) return false;
  }
}

bool is_pause() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

std::string host_name() {
  char name[256] = "";
  gethostname(name, sizeof(name) - 1);
  return name;
}

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Socket::~Socket() { close(); }
Socket::Socket(Socket&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    close();
    file_ = std::exchange(other.file_, -1);
  }
  return *this;
}
void Socket::close() {
  if (file_ >= 0) ::close(file_);
  file_ = -1;
}

std::string Socket::peer_address() const {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  char text[INET6_ADDRSTRLEN] = "";
  if (getpeername(file_, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "";
  if (address.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in&>(address).sin_addr, text, sizeof(text));
  } else {
    inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6&>(address).sin6_addr, text, sizeof(text));
  }
  return std::strncmp(text, "::ffff:", 7) == 0 ? text + 7 : text;
}

Socket listen_on(int* port, bool is_local) {
  // Both families where the system has the newer one.
  for (const int family : {AF_INET6, AF_INET}) {
    if (is_local && family == AF_INET6) continue;
    Socket socket(::socket(family, SOCK_STREAM, 0));
    if (!socket) continue;
    const int on = 1;
    const int off = 0;
    setsockopt(socket.file(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sockaddr_storage address{};
    socklen_t size;
    if (family == AF_INET6) {
      setsockopt(socket.file(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
      auto& to = reinterpret_cast<sockaddr_in6&>(address);
      to.sin6_family = AF_INET6;
      to.sin6_port = htons(static_cast<uint16_t>(*port));
      size = sizeof(to);
    } else {
      auto& to = reinterpret_cast<sockaddr_in&>(address);
      to.sin_family = AF_INET;
      to.sin_port = htons(static_cast<uint16_t>(*port));
      if (is_local) to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      size = sizeof(to);
    }
    if (bind(socket.file(), reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(socket.file(), 512) != 0) {
      if (errno == EADDRINUSE) break;
      continue;
    }
    prepare(socket.file());
    size = sizeof(address);
    getsockname(socket.file(), reinterpret_cast<sockaddr*>(&address), &size);
    *port = ntohs(family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                     : reinterpret_cast<sockaddr_in&>(address).sin_port);
    return socket;
  }
  throw Error(ErrorCode::kRanks, "port " + std::to_string(*port) + ": expected one that is free, " +
                                     std::strerror(errno) + "; set MASTER_PORT to another");
}

Socket accept_within(const Socket& listener, double seconds) {
  if (!wait_for(listener.file(), POLLIN, seconds)) return Socket();
  Socket socket(accept(listener.file(), nullptr, nullptr));
  if (socket) prepare(socket.file());
  return socket;
}

Socket connect_within(const std::string& address, int port, double seconds, std::string* why) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int status = getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found); status != 0) {
    *why = gai_strerror(status);
    return Socket();
  }
  Socket connected;
  for (const addrinfo* each = found; each && !connected; each = each->ai_next) {
    Socket socket(::socket(each->ai_family, SOCK_STREAM, 0));
    if (!socket) continue;
    prepare(socket.file());
    int error = ::connect(socket.file(), each->ai_addr, each->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
      error = ETIMEDOUT;
      socklen_t size = sizeof(error);
      if (wait_for(socket.file(), POLLOUT, seconds)) getsockopt(socket.file(), SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error == 0) connected = std::move(socket);
    *why = std::strerror(error);
  }
  freeaddrinfo(found);
  return connected;
}

bool send_all(const Socket& socket, const void* data, size_t bytes, double seconds) {
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    if (!wait_for(socket.file(), POLLOUT, seconds)) return false;
    const long sent = send_some(socket.file(), from, bytes);
    if (sent < 0) return false;
    from += sent;
    bytes -= static_cast<size_t>(sent);
  }
  return true;
}

bool receive_all(const Socket& socket, void* data, size_t bytes, double seconds) {
  char* to = static_cast<char*>(data);
  while (bytes > 0) {
    if (!wait_for(socket.file(), POLLIN, seconds)) return false;
    const long received = receive_some(socket.file(), to, bytes);
    if (received < 0) return false;
    to += received;
    bytes -= static_cast<size_t>(received);
  }
  return true;
}

long send_some(int file, const void* data, size_t bytes) {
  const ssize_t sent = send(file, data, bytes, kNoSignal);
  return sent >= 0 ? static_cast<long>(sent) : is_pause() ? 0 : -1;
}

long receive_some(int file, void* data, size_t bytes) {
  const ssize_t received = recv(file, data, bytes, 0);
  return received > 0 ? static_cast<long>(received) : received < 0 && is_pause() ? 0 : -1;
}

Wake::Wake() {
  int ends[2] = {-1, -1};
  if (pipe(ends) != 0) throw Error(ErrorCode::kRanks, "the system refused a pipe");
  read_end = ends[0];
  write_end = ends[1];
  for (const int end : ends) make_private(end);
}
Wake::~Wake() {
  ::close(read_end);
  ::close(write_end);
}
void Wake::call() const {
  const char byte = 0;
  // A full pipe wakes as well.
  if (write(write_end, &byte, 1) < 0) return;
}
void Wake::drain() const {
  char bytes[16];
  while (read(read_end, bytes, sizeof(bytes)) > 0) {
  }
}

}  // namespace burgeon

#endif
