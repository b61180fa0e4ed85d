#ifndef _WIN32
#include "test/ranks_fixture.h"

#include <algorithm>
#include <exception>
#include <thread>

#include "core/tcp_communicator.h"
#include "core/tcp_socket.h"
#include "test/check.h"

namespace burgeon::test {

int free_port() {
  int port = 0;
  listen_on(&port);
  return port;
}

std::vector<std::string> run_ranks(int size, const std::function<void(Communicator&)>& work, double silence) {
  const int port = free_port();
  std::vector<std::string> messages(static_cast<size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        const auto ranks = meet_over_tcp({rank, size, "127.0.0.1", port, 20, silence});
        work(*ranks);
      } catch (const std::exception& error) {
        messages[static_cast<size_t>(rank)] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return messages;
}

bool all_empty(const std::vector<std::string>& messages) {
  for (const std::string& message : messages) {
    if (!message.empty()) {
      const Note note(message);
      CHECK(message.empty());
    }
  }
  return true;
}

void check_says(const std::string& message, const std::string& part) {
  const Note note(message + "; expected: " + part);
  CHECK(message.find(part) != std::string::npos);
}

std::vector<Fold> folds_of(int64_t micro_batches, int rank, int size) {
  const int64_t count = micro_batches / size;
  const int64_t first = rank * count;
  std::vector<Fold> folds;
  for (int64_t i = first; i < first + count; ++i) {
    Fold fold{0, i + 1 < first + count};
    for (int64_t width = 2; width / 2 < micro_batches; width *= 2) {
      const int64_t begin = i / width * width;
      if (begin < first || std::min(begin + width, micro_batches) != i + 1) break;
      if (i >= begin + width / 2) ++fold.merges;
    }
    folds.push_back(fold);
  }
  return folds;
}

}  // namespace burgeon::test

#endif
