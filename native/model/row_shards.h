// Which rows of a tensor a rank updates, and so keeps what the optimizer keeps of them: ZeRO-1 (Rajbhandari et al.
// 2020). This is the one place that says so.
//
// Every tensor is cut into blocks of rows, by its shape alone, and the blocks are dealt to the ranks in turn. So each
// rank has an equal part of every tensor, and of the first layers or the first rows of all, which nested stages train.
// A row has the same owner in every layer: what a stack of layers copies stays where it is. Where there is one rank, it
// owns all. The norm of the gradient is summed by the same blocks, so that it does not depend on who owns them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "model/tensor.h"

namespace burgeon {

class RowShards {
 public:
  explicit RowShards(int rank = 0, int size = 1) : rank_(rank), size_(size) {}

  int rank() const { return rank_; }
  int size() const { return size_; }
  bool divides() const { return size_ > 1; }

  // Rows of every block of a tensor but the last, which may have fewer. Up to 64 ranks have equal parts of a matrix
  // then; a block of less than 1024 elements would cost more than it divides.
  static int64_t block_rows(const Tensor& tensor) {
    constexpr int64_t kMostBlocks = 64;
    constexpr int64_t kLeastElements = 1024;
    return std::max(quotient(tensor.rows, kMostBlocks), quotient(kLeastElements, tensor.cols));
  }
  static int64_t blocks(const Tensor& tensor) { return quotient(tensor.rows, block_rows(tensor)); }

  // Tensors of one block, such as biases, begin with another rank each.
  int owner(const Tensor& tensor, int64_t row) const {
    return static_cast<int>((row / block_rows(tensor) + tensor.kind) % size_);
  }
  bool owns(const Tensor& tensor, int64_t row) const { return owner(tensor, row) == rank_; }

  int64_t own_rows(const Tensor& tensor) const {
    int64_t count = 0;
    cut(tensor, 0, tensor.rows, [&](int64_t, int64_t rows, int owner) { count += owner == rank_ ? rows : 0; });
    return count;
  }
  // Where an own row is among the own rows of its tensor: all blocks before its own have their full height.
  int64_t place(const Tensor& tensor, int64_t row) const {
    const int64_t each = block_rows(tensor);
    return row / each / size_ * each + row % each;
  }

  // visit(first row, rows, owner) for the pieces that blocks cut a run of rows into; all of it where there is one rank.
  template <class Visit>
  void cut(const Tensor& tensor, int64_t row, int64_t rows, Visit visit) const {
    const int64_t each = divides() ? block_rows(tensor) : tensor.rows;
    for (const int64_t end = row + rows; row < end;) {
      const int64_t next = std::min(end, (row / each + 1) * each);
      visit(row, next - row, owner(tensor, row));
      row = next;
    }
  }

 private:
  static int64_t quotient(int64_t count, int64_t each) { return (count + each - 1) / each; }

  int rank_;
  int size_;
};

// Of all tensors.
inline int64_t block_count(const std::vector<Tensor>& tensors) {
  int64_t count = 0;
  for (const Tensor& tensor : tensors) count += RowShards::blocks(tensor);
  return count;
}

}  // namespace burgeon
