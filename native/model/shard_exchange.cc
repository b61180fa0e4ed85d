#include "model/shard_exchange.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "model/touched_rows.h"

namespace burgeon {

template <class M>
void ShardExchange<M>::check(const Communicator& ranks) const {
  const RowShards& shards = p_.shards();
  if (ranks.rank() == shards.rank() && ranks.size() == shards.size()) return;
  const auto text = [](int rank, int size) { return "rank " + std::to_string(rank) + " of " + std::to_string(size); };
  throw Error(ErrorCode::kConfig, "ranks: expected those that moments are divided over, " +
                                      text(shards.rank(), shards.size()) + ", received " +
                                      text(ranks.rank(), ranks.size()));
}

template <class M>
typename ShardExchange<M>::Packing ShardExchange<M>::packing_of(TouchedUnits* units) const {
  const RowShards& shards = p_.shards();
  std::vector<std::vector<Run>> of_places(static_cast<size_t>(shards.size()));
  for_touched_rows(p_.tensors(), units, [&](const Tensor& tensor, int64_t row, int64_t rows) {
    shards.cut(tensor, row, rows, [&](int64_t first, int64_t count, int owner) {
      of_places[static_cast<size_t>(place_of(owner, shards.size()))].push_back(
          {tensor.offset + first * tensor.cols, count * tensor.cols});
    });
  });
  Packing packing{{}, {0}};
  for (const std::vector<Run>& runs : of_places) {
    packing.runs.insert(packing.runs.end(), runs.begin(), runs.end());
    packing.shares.push_back(packing.shares.back());
    for (const Run& run : runs) packing.shares.back() += run.count;
  }
  return packing;
}

template <class M>
template <class Move>
void ShardExchange<M>::for_packed(const Packing& packing, M* array, Places places, Move move) {
  const int64_t begin = packing.shares[static_cast<size_t>(places.low)];
  const int64_t end = packing.shares[static_cast<size_t>(places.high)];
  int64_t at = 0;
  for (const Run& run : packing.runs) {
    if (at >= begin && at < end)
      move(packed_.data() + at, array + run.first, static_cast<size_t>(run.count) * sizeof(M));
    at += run.count;
  }
}

template <class M>
void ShardExchange<M>::sum_gradients(Communicator& ranks, TouchedUnits& touched) {
  check(ranks);
  touched.unite_with(ranks, &flags_);
  const Packing packing = packing_of(&touched);
  packed_.resize(static_cast<size_t>(packing.shares.back()));
  M* const gradients = p_.array(Role::kGradient);
  for_packed(packing, gradients, {0, ranks.size()}, [&](M* packed, M* gradient, size_t bytes) {
    device_.read(packed, gradient, bytes);
    device_.clear(gradient, bytes);
  });
  reduce_scatter(ranks, packed_.data(), packing.shares, &received_, "the sum of gradients",
                 [](M a, M b) { return a + b; });
  for_packed(packing, gradients, own(),
             [&](M* packed, M* gradient, size_t bytes) { device_.write(gradient, packed, bytes); });
}

template <class M>
void ShardExchange<M>::expect_weights(TouchedUnits* units) {
  updated_ = packing_of(units);
}

template <class M>
void ShardExchange<M>::gather_weights(Communicator& ranks) {
  if (!expects_weights()) {
    throw Error(ErrorCode::kShape, "weights: expected an update of rows that are divided over ranks, found none");
  }
  check(ranks);
  packed_.resize(static_cast<size_t>(updated_.shares.back()));
  M* const weights = p_.array(Role::kWeight);
  for_packed(updated_, weights, own(),
             [&](M* packed, M* weight, size_t bytes) { device_.read(packed, weight, bytes); });
  all_gather(ranks, packed_.data(), updated_.shares, "the weights of a step");
  for (const Places others : {Places{0, own().low}, Places{own().high, ranks.size()}}) {
    for_packed(updated_, weights, others,
               [&](M* packed, M* weight, size_t bytes) { device_.write(weight, packed, bytes); });
  }
  drop();
}

template <class M>
void ShardExchange<M>::broadcast(Communicator& ranks) {
  constexpr int64_t kChunk = int64_t{1} << 20;
  std::vector<M> chunk;
  for (const Role role : {Role::kWeight, Role::kState0, Role::kState1}) {
    if (is_state(role) && p_.shards().divides()) continue;
    for (int64_t begin = 0; begin < p_.count(role); begin += kChunk) {
      chunk.resize(static_cast<size_t>(std::min(kChunk, p_.count(role) - begin)));
      const size_t bytes = chunk.size() * sizeof(M);
      if (ranks.rank() == 0) device_.read(chunk.data(), p_.array(role) + begin, bytes);
      burgeon::broadcast(ranks, chunk.data(), bytes, "weights and moments of rank 0");
      if (ranks.rank() != 0) device_.write(p_.array(role) + begin, chunk.data(), bytes);
    }
  }
}

template <class M>
void ShardExchange<M>::scatter_rows(Communicator& ranks, Role role, const Tensor& tensor, int64_t row, int64_t rows,
                                    M* from) {
  check(ranks);
  burgeon::broadcast(ranks, from, static_cast<size_t>(rows * tensor.cols) * sizeof(M), "moments of a checkpoint");
  p_.shards().cut(tensor, row, rows, [&](int64_t first, int64_t count, int owner) {
    if (owner != p_.shards().rank()) return;
    const M* const own = from + (first - row) * tensor.cols;
    device_.write(p_.row(role, tensor, first), own, static_cast<size_t>(count * tensor.cols) * sizeof(M));
  });
}

template <class M>
void ShardExchange<M>::gather_rows(Communicator& ranks, Role role, const Tensor& tensor, int64_t row, int64_t rows,
                                   M* to) {
  check(ranks);
  const RowShards& shards = p_.shards();
  // visit(its elements in `packed`, first row, rows) for all pieces of the owner of every place.
  const auto for_pieces = [&](auto visit) {
    int64_t at = 0;
    for (int place = 0; place < shards.size(); ++place) {
      shards.cut(tensor, row, rows, [&](int64_t first, int64_t count, int owner) {
        if (place_of(owner, shards.size()) != place) return;
        visit(place, at, first, count * tensor.cols);
        at += count * tensor.cols;
      });
    }
  };
  Shares shares(static_cast<size_t>(shards.size()) + 1, 0);
  for_pieces([&](int place, int64_t at, int64_t, int64_t count) {
    for (size_t i = static_cast<size_t>(place) + 1; i < shares.size(); ++i) shares[i] = at + count;
  });
  std::vector<M> packed(static_cast<size_t>(rows * tensor.cols));
  for_pieces([&](int place, int64_t at, int64_t first, int64_t count) {
    if (place != own().low) return;
    device_.read(packed.data() + at, p_.row(role, tensor, first), static_cast<size_t>(count) * sizeof(M));
  });
  all_gather(ranks, packed.data(), shares, "what the optimizer keeps");
  for_pieces([&](int, int64_t at, int64_t first, int64_t count) {
    std::copy(packed.begin() + at, packed.begin() + at + count, to + (first - row) * tensor.cols);
  });
}

template class ShardExchange<float>;
template class ShardExchange<double>;

}  // namespace burgeon
