// What NCCL carries between the memory of this process's device and those of the others of a job, in the order of a
// stream. The communicator does not block: calls begin something, is_ready() says when NCCL has done its part of it,
// and what fails, or is given up, is aborted.
#pragma once

#include <string>

#include "backend/cuda/library/nccl.h"
#include "core/communicator.h"

namespace burgeon::cuda {

class NcclLink {
 public:
  // The library that would be used, or null, and why. `path` is that of the library, empty for where it usually is, or
  // "off".
  static const nccl::Library* find(const std::string& path, std::string* why);
  // For one process to make and all to know.
  static nccl::UniqueId make_id(const nccl::Library& library);

  // Begins to connect `size` processes, of the device in use. Throws Error(kCuda), as all that follow.
  NcclLink(const nccl::Library& library, Stream stream, const nccl::UniqueId& id, int rank, int size);
  // Aborts what is under way.
  ~NcclLink();
  NcclLink(const NcclLink&) = delete;

  // Begins to send to peers and to receive from them, in memory of devices. Only when it is ready.
  void exchange(const Message* messages, size_t count);
  // Whether all are connected, and the exchange that was begun is queued in the stream.
  bool is_ready();

 private:
  void check(nccl::Result result, const char* what) const;

  const nccl::Library& library_;
  const Stream stream_;
  nccl::Comm comm_ = nullptr;
};

}  // namespace burgeon::cuda
