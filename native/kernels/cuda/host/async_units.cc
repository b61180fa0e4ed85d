#include "kernels/cuda/host/async_units.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/cuda/device.cuh"

namespace burgeon::cuda::host {

namespace {

constexpr int kWarpgroupWarps = kWarpgroup / kWarp;
constexpr float kNothing = std::numeric_limits<float>::quiet_NaN();

// The 128-byte swizzle: bits 7 to 9 of an address change bits 4 to 6.
size_t swizzled(size_t address) { return address ^ (address >> 7 & 7) << 4; }

constexpr size_t kChunk = 16;

size_t in_window(const void* p) { return reinterpret_cast<uintptr_t>(p) % kSharedWindow; }

}  // namespace

AsyncUnits::AsyncUnits(Block& block, Schedule& schedule, int warps)
    : block_(block), schedule_(schedule), warps_(static_cast<size_t>(warps)) {}

void AsyncUnits::start() {
  barriers_.clear();
  loads_.clear();
  for (Warp& warp : warps_) warp = Warp{};
}

bool AsyncUnits::idle() const {
  return loads_.empty() && std::all_of(warps_.begin(), warps_.end(), [](const Warp& w) { return w.products.empty(); });
}

void AsyncUnits::work() {
  std::vector<int> busy;  // warps with products; those of one are made in order
  for (size_t w = 0; w < warps_.size(); ++w) {
    if (!warps_[w].products.empty()) busy.push_back(static_cast<int>(w));
  }
  const int loads = static_cast<int>(loads_.size());
  const int choice = schedule_.below(loads + static_cast<int>(busy.size()));
  if (choice < loads) {
    TileLoad load = std::move(loads_[choice]);
    loads_.erase(loads_.begin() + choice);
    deliver(load);
  } else {
    const int w = busy[choice - loads];
    compute(w, warps_[w].products.front());
    warps_[w].products.pop_front();
  }
}

std::string AsyncUnits::left_behind() {
  if (!loads_.empty()) return "the kernel ended before its tiles were waited for";
  for (size_t w = 0; w < warps_.size(); ++w) {
    if (!warps_[w].products.empty() || !warps_[w].sums.empty()) {
      return "the kernel ended before its products were waited for";
    }
    if (warps_[w].trace != warps_[w / kWarpgroupWarps * kWarpgroupWarps].trace) {
      return "the warps of a warpgroup ordered different products";
    }
  }
  return has_registers() ? "" : "the warps took more registers than the block has";
}

void AsyncUnits::hold_registers(int count) { warp().registers = count; }

// A block alone on its multiprocessor is launched with as many registers for each thread as there are, in eights. What
// some warps take others must have given: they would wait for it for ever.
bool AsyncUnits::has_registers() const {
  const int warps = static_cast<int>(warps_.size());
  const int launched = std::min(65536 / (warps * kWarp) / 8 * 8, 255);
  int held = 0;
  for (const Warp& warp : warps_) held += warp.registers == 0 ? launched : warp.registers;
  return held <= launched * warps;
}

// ---- barriers

void AsyncUnits::init_barrier(char* barrier, int arrivals) {
  check_aligned(barrier, 8, "a barrier");
  if (arrivals < 1) block_.fail("a barrier expects one arrival or more");
  barriers_[barrier] = {arrivals, arrivals, 0, 0, block_.thread()};
}

void AsyncUnits::fence_barriers() {
  for (auto& [address, barrier] : barriers_) {
    if (barrier.initializer == block_.thread()) barrier.initializer = -1;
  }
}

AsyncUnits::Barrier& AsyncUnits::barrier_at(char* address) {
  const auto found = barriers_.find(address);
  if (found == barriers_.end()) block_.fail("a barrier is used before it is initialized");
  return found->second;
}

void AsyncUnits::complete(Barrier& barrier, const void* address) {
  if (barrier.pending > 0 || barrier.bytes != 0) return;
  barrier.pending = barrier.expected;
  ++barrier.phase;
  block_.wake(address);
}

void AsyncUnits::arrive(char* address, int64_t bytes) {
  Barrier& barrier = barrier_at(address);
  barrier.bytes += bytes;
  --barrier.pending;
  complete(barrier, address);
}

void AsyncUnits::wait_for_phase(char* address, int parity) {
  // A phase that is over may be followed by another before this thread looks.
  while (static_cast<int>(barrier_at(address).phase % 2) == parity) block_.sleep(address, "a barrier in shared memory");
}

// ---- tiles

void AsyncUnits::load_tile(char* to, const TensorMap& map, int column, int row, int batch, char* barrier) {
  check_aligned(to, 128, "a tile");
  if (barrier_at(barrier).initializer >= 0) block_.fail("a barrier is given to a tile's load before a fence");
  const size_t bytes = static_cast<size_t>(map.box_rows) * kTileRowBytes;
  auto* const target = reinterpret_cast<unsigned char*>(to);
  auto* const begin = static_cast<unsigned char*>(block_.dynamic_shared());
  if (target < begin || target + bytes > begin + block_.dynamic_bytes()) {
    block_.fail("a tile lies outside of the dynamic shared memory");
  }
  for (size_t at = 0; at < bytes; at += kChunk) {
    if (lacks_fence(in_window(target + at))) block_.fail("a tile is loaded over what was stored before a fence");
  }
  loads_.push_back({target, map, column, row, batch, barrier, {}});
  if (schedule_.below(2) == 0) loads_.back().early = read_tile(loads_.back());
  std::memset(target, 0xff, bytes);
}

std::vector<bfloat16> AsyncUnits::read_tile(const TileLoad& load) const {
  const TensorShape& shape = load.map.shape;
  std::vector<bfloat16> tile(static_cast<size_t>(load.map.box_rows) * kTileColumns);
  for (int r = 0; r < load.map.box_rows; ++r) {
    for (int c = 0; c < kTileColumns; ++c) {
      const int64_t row = int64_t{load.row} + r;
      const int64_t column = int64_t{load.column} + c;
      if (row < 0 || row >= shape.rows || column < 0 || column >= shape.columns) continue;
      if (load.batch < 0 || load.batch >= shape.batches) continue;
      tile[r * kTileColumns + c] = load.map.data[load.batch * shape.batch_stride + row * shape.row_stride + column];
    }
  }
  return tile;
}

void AsyncUnits::deliver(TileLoad& load) {
  const std::vector<bfloat16> tile = load.early.empty() ? read_tile(load) : std::move(load.early);
  const size_t first = in_window(load.to);
  for (size_t at = 0; at < tile.size() * sizeof(bfloat16); at += 16) {
    std::memcpy(load.to + (swizzled(first + at) - first), &tile[at / sizeof(bfloat16)], 16);
  }
  Barrier& barrier = barrier_at(load.barrier);
  barrier.bytes -= static_cast<int64_t>(tile.size() * sizeof(bfloat16));
  complete(barrier, load.barrier);
}

void AsyncUnits::store_chunk(char* to, const void* chunk) {
  check_aligned(to, kChunk, "a row of store_matrices");
  auto* const begin = static_cast<char*>(block_.dynamic_shared());
  if (to < begin || to + kChunk > begin + block_.dynamic_bytes()) {
    block_.fail("store_matrices writes outside of the dynamic shared memory");
  }
  std::memcpy(to, chunk, kChunk);
  warp().stored[in_window(to)] = ~0u;
}

void AsyncUnits::fence_tiles() {
  std::map<size_t, uint32_t>& stored = warp().stored;
  for (auto chunk = stored.begin(); chunk != stored.end();) {
    chunk->second &= ~(1u << block_.thread() % kWarp);
    chunk = chunk->second == 0 ? stored.erase(chunk) : std::next(chunk);
  }
}

bool AsyncUnits::lacks_fence(size_t chunk) const {
  return std::any_of(warps_.begin(), warps_.end(), [&](const Warp& w) { return w.stored.count(chunk) > 0; });
}

// ---- products

AsyncUnits::Warp& AsyncUnits::warp() { return warps_[block_.thread() / kWarp]; }

void AsyncUnits::begin_products() { warp().begun = true; }

AsyncUnits::Sums& AsyncUnits::sums_of(Warp& warp, const ProductOperands& first) {
  for (Sums& sums : warp.sums) {
    if (sums.registers[0] == first.sums) return sums;
  }
  block_.fail("the accumulators of a product are not known");
}

void AsyncUnits::multiply(const std::array<ProductOperands, kWarp>& lanes) {
  Warp& own = warp();
  const ProductOperands& first = lanes[0];
  if (warps_.size() % kWarpgroupWarps != 0) block_.fail("a product needs whole warpgroups");
  if (!own.begun) block_.fail("products need begin_products after their registers were last used");
  const int count = first.n / 2;
  for (const ProductOperands& lane : lanes) {
    if (lane.a != first.a || lane.b != first.b || lane.accumulate != first.accumulate) {
      block_.fail("lanes order different products");
    }
  }
  for (const uint64_t part : {first.a, first.b, uint64_t(first.accumulate), uint64_t(first.n)}) {
    own.trace = (own.trace ^ part) * 0x9e3779b97f4a7c15u + 1;
  }
  const auto known = [&](const Sums& sums) { return sums.registers[0] == first.sums; };
  if (std::none_of(own.sums.begin(), own.sums.end(), known)) {
    Sums sums{{}, count, 0, {}};
    for (int lane = 0; lane < kWarp; ++lane) {
      sums.registers[lane] = lanes[lane].sums;
      sums.values.insert(sums.values.end(), lanes[lane].sums, lanes[lane].sums + count);
      std::fill_n(lanes[lane].sums, count, kNothing);
    }
    own.sums.push_back(std::move(sums));
  }
  sums_of(own, first).group = own.groups;
  own.products.push_back({lanes, own.groups});
}

void AsyncUnits::commit_products() { ++warp().groups; }

void AsyncUnits::wait_for_products(int groups_left) {
  Warp& own = warp();
  const int end = own.groups - groups_left;
  while (!own.products.empty() && own.products.front().group < end) {
    compute(block_.thread() / kWarp, own.products.front());
    own.products.pop_front();
  }
  std::vector<Sums> in_flight;
  for (Sums& sums : own.sums) {
    if (sums.group >= end) {
      in_flight.push_back(std::move(sums));
      continue;
    }
    for (int lane = 0; lane < kWarp; ++lane) {
      std::copy_n(sums.values.begin() + lane * sums.count, sums.count, sums.registers[lane]);
    }
  }
  own.sums.swap(in_flight);
  own.begun = false;
}

// values[k][lane] for 16 k and lanes [first_lane, first_lane + lanes). A descriptor has, in units of 16 bytes, a start
// in bits 0 to 13, the leading offset in 16 to 29 and the stride in 32 to 45; in 62 and 63 the swizzle, 1 being that of
// 128 bytes. Across: 8 lanes are rows of 128 bytes, a stride apart from the next 8. Down: 8 positions are rows of 64
// lanes, a stride apart from the next 8; the next 64 lanes are a leading offset apart.
void AsyncUnits::read_operand(uint64_t descriptor, bool across, int first_lane, int lanes, float* values) const {
  if (descriptor >> 62 != 1 || (descriptor >> 49 & 7) != 0) block_.fail("a descriptor is of another swizzle");
  const size_t start = (descriptor & 0x3fff) << 4;
  const size_t leading = (descriptor >> 16 & 0x3fff) << 4;
  const size_t stride = (descriptor >> 32 & 0x3fff) << 4;
  const auto* const begin = static_cast<const unsigned char*>(block_.dynamic_shared());
  const size_t origin = in_window(begin);
  const auto chunk = [&](size_t address) {
    const size_t at = swizzled(address);
    if (at < origin || at + 16 > origin + block_.dynamic_bytes()) {
      block_.fail("a product reads outside of the dynamic shared memory");
    }
    if (lacks_fence(at)) block_.fail("a product reads what was stored before a fence");
    return reinterpret_cast<const uint16_t*>(begin + (at - origin));
  };
  const auto widened = [](uint16_t bits) { return from_word(static_cast<uint32_t>(bits) << 16); };
  if (across) {
    for (int i = 0; i < lanes; ++i) {
      const int lane = first_lane + i;
      for (int k = 0; k < 16; k += 8) {
        const uint16_t* from = chunk(start + lane / 8 * stride + lane % 8 * 128 + k * 2);
        for (int j = 0; j < 8; ++j) values[(k + j) * lanes + i] = widened(from[j]);
      }
    }
  } else {
    for (int k = 0; k < 16; ++k) {
      for (int i = 0; i < lanes; i += 8) {
        const int lane = first_lane + i;
        const uint16_t* from = chunk(start + lane / 64 * leading + lane % 64 * 2 + k / 8 * stride + k % 8 * 128);
        for (int j = 0; j < 8; ++j) values[k * lanes + i + j] = widened(from[j]);
      }
    }
  }
}

// A warp has 16 of the 64 rows; A in registers and the accumulators lie in lanes as those of mma.sync m16n8k16.
void AsyncUnits::compute(int warp, const Product& product) {
  const ProductOperands& first = product.lanes[0];
  const int n = first.n;
  float left[16][16];  // [k][row]
  if (first.a_registers) {
    for (int lane = 0; lane < kWarp; ++lane) {
      for (int r = 0; r < 4; ++r) {
        const uint32_t word = product.lanes[lane].a_registers[r];
        const int row = lane / 4 + 8 * (r % 2);
        const int k = 2 * (lane % 4) + 8 * (r / 2);
        left[k][row] = from_word(word << 16);
        left[k + 1][row] = from_word(word & 0xffff0000u);
      }
    }
  } else {
    read_operand(first.a, first.across_a, 16 * (warp % kWarpgroupWarps), 16, &left[0][0]);
  }
  std::vector<float> right(static_cast<size_t>(16) * n);
  read_operand(first.b, first.across_b, 0, n, right.data());
  Sums& sums = sums_of(warps_[warp], first);
  std::vector<float> row(static_cast<size_t>(n));
  for (int i = 0; i < 16; ++i) {
    std::fill(row.begin(), row.end(), 0.0f);
    for (int k = 0; k < 16; ++k) {
      const float l = left[k][i];
      const float* const r = &right[static_cast<size_t>(k) * n];
      for (int j = 0; j < n; ++j) row[j] += l * r[j];
    }
    for (int j = 0; j < n; ++j) {
      const int lane = 4 * (i % 8) + j % 8 / 2;
      float& sum = sums.values[lane * sums.count + j / 8 * 4 + i / 8 * 2 + j % 2];
      sum = (first.accumulate ? sum : 0) + row[j];
    }
  }
}

}  // namespace burgeon::cuda::host
