// The asynchronous units of an sm_90 multiprocessor on the host: barriers in shared memory that count threads and
// bytes, loads of tiles by tensor maps, products of warpgroups. Each does what the PTX manual says ("mbarrier",
// "cp.async.bulk.tensor", "wgmma.mma_async" and its matrix descriptor), at a time between the order and the wait that
// the schedule chooses: tiles arrive in any order, and until then their targets are NaN; products read their operands
// late, and until they are waited for their accumulators are NaN. What warps store to tiles themselves ("stmatrix",
// "async proxy") may be read and replaced after a fence of each of their threads.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "core/bfloat16.h"
#include "kernels/cuda/host/block.h"
#include "kernels/cuda/tensor_map.h"

namespace burgeon::cuda {

struct TensorMap {
  const bfloat16* data;
  TensorShape shape;
  int box_rows;
};

namespace host {

// Descriptors address shared memory modulo this.
constexpr size_t kSharedWindow = size_t{1} << 18;

// What a thread brings to wgmma.mma_async m64nNk16: its N / 2 accumulators; A as its four registers or, where these are
// null, by descriptor. `across`: the shared dimension is contiguous ("K-major").
struct ProductOperands {
  int n;
  float* sums;
  const uint32_t* a_registers;
  uint64_t a;
  uint64_t b;
  bool across_a;
  bool across_b;
  bool accumulate;
};

class AsyncUnits {
 public:
  AsyncUnits(Block& block, Schedule& schedule, int warps);

  void start();               // with a new block
  bool idle() const;          // nothing is in flight
  void work();                // one thing that is in flight
  std::string left_behind();  // what the kernel ended without waiting for, or did wrong; empty: nothing

  // All of these are called by a thread of the block.
  void init_barrier(char* barrier, int arrivals);
  void fence_barriers();
  void arrive(char* barrier, int64_t bytes);
  void wait_for_phase(char* barrier, int parity);
  void load_tile(char* to, const TensorMap& map, int column, int row, int batch, char* barrier);
  void fence_tiles();
  void hold_registers(int count);
  // By a warp, for all of its lanes.
  void store_chunk(char* to, const void* chunk);
  void begin_products();
  void multiply(const std::array<ProductOperands, kWarp>& lanes);
  void commit_products();
  void wait_for_products(int groups_left);

 private:
  struct Barrier {
    int expected;   // arrivals of a phase
    int pending;    // that are missing
    int64_t bytes;  // that are missing
    unsigned phase;
    int initializer;  // the thread whose fence is missing; -1: none is
  };
  struct TileLoad {
    unsigned char* to;
    TensorMap map;
    int column;
    int row;
    int batch;
    char* barrier;
    std::vector<bfloat16> early;  // read when it was ordered; empty: it is read on arrival
  };
  struct Product {
    std::array<ProductOperands, kWarp> lanes;
    int group;
  };
  // Accumulators in flight, lane after lane.
  struct Sums {
    std::array<float*, kWarp> registers;
    int count;  // of a lane
    int group;  // of the last product that adds to them
    std::vector<float> values;
  };
  struct Warp {
    bool begun = false;
    int groups = 0;
    std::deque<Product> products;
    std::vector<Sums> sums;
    uint64_t trace = 0;                 // of the products ordered, which is the same in all warps of a warpgroup
    int registers = 0;                  // of a thread, where it took or gave some
    std::map<size_t, uint32_t> stored;  // chunks, by their places, and the lanes whose fence is missing
  };

  Barrier& barrier_at(char* address);
  void complete(Barrier& barrier, const void* address);
  std::vector<bfloat16> read_tile(const TileLoad& load) const;
  void deliver(TileLoad& load);
  Warp& warp();
  Sums& sums_of(Warp& warp, const ProductOperands& first);
  void compute(int warp, const Product& product);
  void read_operand(uint64_t descriptor, bool across, int first_lane, int lanes, float* values) const;
  bool lacks_fence(size_t chunk) const;
  bool has_registers() const;

  Block& block_;
  Schedule& schedule_;
  std::map<char*, Barrier> barriers_;
  std::vector<TileLoad> loads_;
  std::vector<Warp> warps_;
};

}  // namespace host

}  // namespace burgeon::cuda
