// Compiled only by npm run check:cuda, where NVIDIA's header is found: the numbers and sizes in nccl.h are its own.
#include <nccl.h>

#include "backend/cuda/library/nccl.h"
#include "backend/cuda/library/same_shape.h"

namespace burgeon::cuda::nccl {

#define BURGEON_SAME(ours, theirs) static_assert(static_cast<int64_t>(ours) == static_cast<int64_t>(theirs), #theirs)
BURGEON_SAME(kSuccess, ncclSuccess);
BURGEON_SAME(kSystemError, ncclSystemError);
BURGEON_SAME(kInvalidArgument, ncclInvalidArgument);
BURGEON_SAME(kInvalidUsage, ncclInvalidUsage);
BURGEON_SAME(kRemoteError, ncclRemoteError);
BURGEON_SAME(kInProgress, ncclInProgress);
BURGEON_SAME(kInt8, ncclInt8);
BURGEON_SAME(sizeof(Result), sizeof(ncclResult_t));
BURGEON_SAME(sizeof(DataType), sizeof(ncclDataType_t));
BURGEON_SAME(sizeof(UniqueId), sizeof(ncclUniqueId));
// The beginning of theirs; versions add to its end.
BURGEON_SAME(offsetof(Config, size), offsetof(ncclConfig_t, size));
BURGEON_SAME(offsetof(Config, magic), offsetof(ncclConfig_t, magic));
BURGEON_SAME(offsetof(Config, version), offsetof(ncclConfig_t, version));
BURGEON_SAME(offsetof(Config, blocking), offsetof(ncclConfig_t, blocking));
constexpr ncclConfig_t kTheirs = NCCL_CONFIG_INITIALIZER;
BURGEON_SAME(Config().magic, kTheirs.magic);
BURGEON_SAME(Config().version, NCCL_VERSION(2, 14, 0));
static_assert(sizeof(Config) <= sizeof(ncclConfig_t), "ncclConfig_t");
#undef BURGEON_SAME

#define BURGEON_SAME(member, theirs) static_assert(same_shape<decltype(Library::member), decltype(&theirs)>(), #theirs)
BURGEON_SAME(get_version, ncclGetVersion);
BURGEON_SAME(get_error_string, ncclGetErrorString);
BURGEON_SAME(get_last_error, ncclGetLastError);
BURGEON_SAME(get_unique_id, ncclGetUniqueId);
BURGEON_SAME(comm_init, ncclCommInitRankConfig);
BURGEON_SAME(comm_abort, ncclCommAbort);
BURGEON_SAME(comm_get_async_error, ncclCommGetAsyncError);
BURGEON_SAME(send, ncclSend);
BURGEON_SAME(recv, ncclRecv);
BURGEON_SAME(group_start, ncclGroupStart);
BURGEON_SAME(group_end, ncclGroupEnd);
#undef BURGEON_SAME

}  // namespace burgeon::cuda::nccl
