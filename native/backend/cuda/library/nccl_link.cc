#include "backend/cuda/library/nccl_link.h"

#include "core/error.h"
#include "kernels/cuda/runtime.h"

namespace burgeon::cuda {

using nccl::Library;

const Library* NcclLink::find(const std::string& path, std::string* why) {
  if (path == "off") {
    *why = "NCCL is off";
    return nullptr;
  }
  if (path.empty() && !is_real()) {
    *why = "NCCL has no device";
    return nullptr;
  }
  return nccl::load(path, why);
}

nccl::UniqueId NcclLink::make_id(const Library& library) {
  nccl::UniqueId id;
  const nccl::Result result = library.get_unique_id(&id);
  if (result == nccl::kSuccess) return id;
  throw Error(ErrorCode::kCuda, library.name + ": an id: " + library.get_error_string(result));
}

NcclLink::NcclLink(const Library& library, Stream stream, const nccl::UniqueId& id, int rank, int size)
    : library_(library), stream_(stream) {
  nccl::Config config;
  check(library_.comm_init(&comm_, size, id, rank, &config), "connecting devices");
}

NcclLink::~NcclLink() {
  // Also in peace: finishing waits for the others, who may have left.
  if (comm_) library_.comm_abort(comm_);
}

void NcclLink::exchange(const Message* messages, size_t count) {
  check(library_.group_start(), "an exchange");
  nccl::Result result = nccl::kSuccess;
  const auto begin = [&](nccl::Result began) {
    if (result == nccl::kSuccess || result == nccl::kInProgress) result = began;
  };
  for (size_t i = 0; i < count; ++i) {
    const auto& [peer, out, out_bytes, in, in_bytes] = messages[i];
    if (out_bytes > 0) begin(library_.send(out, out_bytes, nccl::kInt8, peer, comm_, stream_));
    if (in_bytes > 0) begin(library_.recv(in, in_bytes, nccl::kInt8, peer, comm_, stream_));
  }
  const nccl::Result ended = library_.group_end();  // also after a failure, or the next begins inside it
  for (const nccl::Result each : {result, ended}) check(each, "an exchange");
}

bool NcclLink::is_ready() {
  nccl::Result state = nccl::kSuccess;
  check(library_.comm_get_async_error(comm_, &state), "its state");
  check(state, "an exchange");
  return state == nccl::kSuccess;
}

void NcclLink::check(nccl::Result result, const char* what) const {
  if (result == nccl::kSuccess || result == nccl::kInProgress) return;
  const char* const detail = comm_ ? library_.get_last_error(comm_) : nullptr;
  throw Error(ErrorCode::kCuda, library_.name + ": " + what + ": " + library_.get_error_string(result) +
                                    (detail && *detail ? std::string(": ") + detail : ""));
}

}  // namespace burgeon::cuda
