// Keys and values of a text that is being read or written, of every layer.
#pragma once

#include <vector>

#include "core/arena.h"
#include "model/config.h"
#include "ops/attention/attention.h"

namespace burgeon {

template <class T>
class TextCache {
 public:
  explicit TextCache(Device& device) : device_(device) {}

  // Starts a new text of `batch` sequences with room for `capacity` tokens each, keeping the memory where it is enough.
  // Throws Error(kOutOfMemory); `held` as in Arena.
  void begin(const ModelConfig& config, int64_t batch, int64_t capacity, size_t held) {
    const int64_t each = batch * config.n_kv_head * capacity * config.head_size;
    const auto plan = [&](char* base) {
      ArenaCursor cursor(base);
      layers_.resize(static_cast<size_t>(config.n_layer));
      for (KeyValueCache<T>& layer : layers_) {
        layer = {cursor.template take<T>(each), cursor.template take<T>(each), capacity, 0};
      }
      return cursor.used();
    };
    batch_ = 0;
    const size_t bytes = plan(nullptr);
    if (bytes > arena_.size()) {
      arena_ = Arena();
      arena_ = Arena(device_, bytes, "keys and values of a text", held);
    }
    plan(arena_.data());
    batch_ = batch;
  }

  const std::vector<KeyValueCache<T>>& layers() const { return layers_; }
  size_t bytes() const { return arena_.size(); }
  int64_t batch() const { return batch_; }
  int64_t length() const { return batch_ > 0 ? layers_[0].length : 0; }
  int64_t capacity() const { return batch_ > 0 ? layers_[0].capacity : 0; }
  void advance(int64_t tokens) {
    for (KeyValueCache<T>& layer : layers_) layer.length += tokens;
  }

 private:
  Device& device_;
  Arena arena_;
  std::vector<KeyValueCache<T>> layers_;
  int64_t batch_ = 0;
};

}  // namespace burgeon
