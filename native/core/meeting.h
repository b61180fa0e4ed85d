// How the ranks of a job find each other: all call rank 0, which tells them where the others are.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/rank_watch.h"
#include "core/tcp_communicator.h"
#include "core/tcp_socket.h"

namespace burgeon {

struct Met {
  std::vector<std::string> names;  // of all ranks, for people: "rank 1 (10.0.0.2)"
  std::unique_ptr<RankWatch> watch;
  std::vector<Socket> data;  // to every other rank, where they were asked for
};

// `listener`: of rank 0, where it listens already. Throws as meet_over_tcp().
Met meet(const TcpPlace& place, bool with_data, Socket listener = Socket());

std::string rank_name(int rank, const std::string& address);

// What to throw where a rank was lost while this one waited for another.
[[noreturn]] void throw_lost(RankWatch& watch, const std::string& peer, int rank, int peer_rank, const char* what);

}  // namespace burgeon
