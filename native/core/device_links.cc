#include "core/device_links.h"

#include <algorithm>
#include <vector>

#include "core/collectives.h"
#include "core/device.h"

namespace burgeon {

std::unique_ptr<DeviceLinks> link_devices(Device& device, Communicator& ranks) {
  const size_t size = static_cast<size_t>(ranks.size());
  const size_t rank = static_cast<size_t>(ranks.rank());
  const LinkAddress own = device.link_address();
  std::vector<uint64_t> all(2 * size);
  all[rank] = own.device;
  all[size + rank] = own.way;
  std::vector<uint64_t> scratch;
  all_reduce(ranks, all.data(), static_cast<int64_t>(all.size()), &scratch, "the devices of all ranks",
             [](uint64_t a, uint64_t b) { return a | b; });
  const auto ways = all.begin() + static_cast<std::ptrdiff_t>(size);
  if (!std::all_of(ways, all.end(), [&](uint64_t way) { return way == *ways; })) return nullptr;
  std::sort(all.begin(), ways);
  if (all.front() == 0 || std::adjacent_find(all.begin(), ways) != ways) return nullptr;
  return device.link(ranks);
}

}  // namespace burgeon
