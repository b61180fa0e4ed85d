#include "model/shard_exchange.h"

#include <algorithm>
#include <string>

#include "core/collectives.h"
#include "core/error.h"

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
void ShardExchange<M>::expect_weights(TouchedUnits* units) {
  updated_ = divide_by_owner(p_.tensors(), units, p_.shards());
}

template <class M>
void ShardExchange<M>::gather_weights(Communicator& ranks) {
  if (!expects_weights()) {
    throw Error(ErrorCode::kShape, "weights: expected an update of rows that are divided over ranks, found none");
  }
  check(ranks);
  rows_.gather(ranks, p_.array(Role::kWeight), updated_, "the weights of a step");
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
  // visit(owner, its elements in `packed`, first row, elements) for all pieces of every owner.
  const auto for_pieces = [&](auto visit) {
    int64_t at = 0;
    for (int rank = 0; rank < shards.size(); ++rank) {
      shards.cut(tensor, row, rows, [&](int64_t first, int64_t count, int owner) {
        if (owner != rank) return;
        visit(owner, at, first, count * tensor.cols);
        at += count * tensor.cols;
      });
    }
  };
  Shares shares(static_cast<size_t>(shards.size()) + 1, 0);
  for_pieces([&](int owner, int64_t at, int64_t, int64_t count) {
    for (size_t i = static_cast<size_t>(owner) + 1; i < shares.size(); ++i) shares[i] = at + count;
  });
  std::vector<M> packed(static_cast<size_t>(rows * tensor.cols));
  for_pieces([&](int owner, int64_t at, int64_t first, int64_t count) {
    if (owner != shards.rank()) return;
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
