// Ranks that speak over TCP: all there is between processes of one machine, or of several without MPI.
#pragma once

#include <memory>
#include <string>

#include "core/communicator.h"

namespace burgeon {

struct TcpPlace {
  int rank;
  int size;
  std::string address;          // of rank 0
  int port;                     // of rank 0
  double connect_seconds = 60;  // that ranks wait for each other in the beginning
  double silence_seconds =
      15;  // after which a rank that has said nothing is given up; each says something every second
};

// Returns when all ranks have met. Throws Error(kRanks) naming what did not come, Error(kConfig) where another job, or
// another size, is met.
std::unique_ptr<Communicator> meet_over_tcp(const TcpPlace& place);

}  // namespace burgeon
