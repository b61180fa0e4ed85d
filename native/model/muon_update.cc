#include "model/muon_update.h"

#include <algorithm>
#include <string>

#include "core/bfloat16.h"
#include "core/error.h"

namespace burgeon {

template <class T, class W>
void require_optimizer(const ModelConfig& config, const Ops<T, W>& ops) {
  if (config.optimizer != Optimizer::kMuon || ops.muon) return;
  throw Error(ErrorCode::kBackend, std::string("optimizer muon: the ") + ops.name +
                                       " backend has no Muon yet; use the device cpu, or the optimizer adamw");
}

void require_shards(const ModelConfig& config, const RowShards& shards) {
  if (config.optimizer != Optimizer::kMuon || !shards.divides()) return;
  throw Error(
      ErrorCode::kConfig,
      "optimizer muon: expected all rows of a matrix on every rank, as they are orthogonalised together, received "
      "a division over " +
          std::to_string(shards.size()) + " ranks; use adamw, or do without shard");
}

template <class T, class W>
size_t MuonUpdate<T, W>::bytes_of(const ModelConfig& config) {
  if (config.optimizer != Optimizer::kMuon) return 0;
  const int64_t C = config.n_embd;
  int64_t most = 0;
  for (const int64_t rows : {config.query_width(), config.n_kv_head * config.head_size, config.n_inner}) {
    const int64_t square = std::min(rows, C) * std::min(rows, C);
    most = std::max(most, 2 * rows * C + 2 * square);
  }
  return static_cast<size_t>(most) * sizeof(M);
}

template <class T, class W>
void MuonUpdate<T, W>::allocate(size_t held) {
  const size_t bytes = bytes_of(config_);
  if (bytes == 0) return;
  arena_ = Arena(device_, bytes, "the optimizer's products", held);
  parts_.reserve(p_.tensors().size() + 2 * static_cast<size_t>(config_.n_layer));
}

template <class T, class W>
int64_t MuonUpdate<T, W>::run(OpContext& ctx, const std::vector<UpdatedRows<M>>& all, const MuonStep& step) {
  parts_.clear();
  for (const UpdatedRows<M>& updated : all) {
    if (updated.tensor->second_offset >= 0) continue;
    const int64_t count = updated.rows().count;
    if (updated.tensor->kind != kQkvw) {
      add(updated, 0, count);
      continue;
    }
    const int64_t queries = updated.units.heads.count;
    const int64_t keys = updated.units.keys;
    add(updated, 0, queries);
    add(updated, queries, keys);
    add(updated, queries + keys, count - queries - keys);
  }
  if (parts_.empty()) return 0;
  ctx.multiply_adds = 0;
  ops_.muon(ctx, {parts_.data(), static_cast<int64_t>(parts_.size())}, step, reinterpret_cast<M*>(arena_.data()));
  const int64_t done = ctx.multiply_adds;
  ctx.multiply_adds = 0;
  return done;
}

// `count` of its rows that take part, from the first on.
template <class T, class W>
void MuonUpdate<T, W>::add(const UpdatedRows<M>& updated, int64_t first, int64_t count) {
  if (count == 0) return;
  const Tensor& tensor = *updated.tensor;
  const int32_t* const rows = updated.rows().rows;
  const int64_t skipped = first * tensor.cols;
  // A list says where rows are in the masters; without one they lie side by side, as those of compact gradients do.
  const int64_t in_masters = rows ? 0 : skipped;
  parts_.push_back({p_.data(Role::kWeight, tensor) + in_masters,
                    updated.gradient + (updated.is_compact ? skipped : in_masters),
                    p_.data(Role::kState0, tensor) + in_masters, rows ? rows + first : nullptr, count, tensor.cols,
                    updated.is_compact});
}

#define BURGEON_MUON_UPDATE(T, W)  \
  template class MuonUpdate<T, W>; \
  template void require_optimizer(const ModelConfig&, const Ops<T, W>&);
BURGEON_MUON_UPDATE(float, float)
BURGEON_MUON_UPDATE(double, double)
BURGEON_MUON_UPDATE(bfloat16, bfloat16)
BURGEON_MUON_UPDATE(bfloat16, float)
#undef BURGEON_MUON_UPDATE

}  // namespace burgeon
