// Ranks that speak over MPI, by a library that is compiled against the one of this machine (native/mpi/) and opened
// when it is wanted. Who is still there they tell each other over TCP all the same: MPI alone waits for ever.
#pragma once

#include <memory>
#include <string>

#include "core/communicator.h"
#include "core/tcp_communicator.h"

namespace burgeon {

// As meet_over_tcp(); the address and port of rank 0 go over MPI, so the place need not have them. Throws
// Error(kConfig) where MPI numbers the ranks in another way, Error(kRanks) where the library is missing or MPI fails.
std::unique_ptr<Communicator> meet_over_mpi(const std::string& library, const TcpPlace& place);

// "Open MPI v4.1.4", or empty with a reason where the library cannot be used.
std::string mpi_name(const std::string& library, std::string* why);

}  // namespace burgeon
