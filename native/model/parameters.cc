#include "model/parameters.h"

#include <algorithm>

namespace burgeon {

std::vector<Tensor> list_tensors(const ModelConfig& config) {
  const int64_t C = config.n_embd;
  const int64_t F = config.n_inner;
  std::vector<Tensor> tensors;
  int64_t offset = 0;
  const auto add = [&](const char* name, int64_t layer, int64_t rows, int64_t cols, Sampled sampled, bool decays) {
    tensors.push_back({name, layer, rows, cols, sampled, decays, offset});
    offset += (rows * cols + 15) / 16 * 16;  // every tensor starts on a cache line
  };
  add("wte", -1, config.vocab_size, C, Sampled::kNever, true);
  add("wpe", -1, config.context_length, C, Sampled::kNever, true);
  add("lnfw", -1, C, 1, Sampled::kNever, false);
  add("lnfb", -1, C, 1, Sampled::kNever, false);
  for (int64_t layer = 0; layer < config.n_layer; ++layer) {
    add("ln1w", layer, C, 1, Sampled::kByLayer, false);
    add("ln1b", layer, C, 1, Sampled::kByLayer, false);
    add("qkvw", layer, 3 * C, C, Sampled::kQkvRows, true);
    add("qkvb", layer, 3 * C, 1, Sampled::kQkvRows, false);
    add("attprojw", layer, C, C, Sampled::kHeadRows, true);
    add("attprojb", layer, C, 1, Sampled::kByLayer, false);
    add("ln2w", layer, C, 1, Sampled::kByLayer, false);
    add("ln2b", layer, C, 1, Sampled::kByLayer, false);
    add("fcw", layer, F, C, Sampled::kNeurons, true);
    add("fcb", layer, F, 1, Sampled::kNeurons, false);
    add("fcprojw", layer, F, C, Sampled::kNeurons, true);
    add("fcprojb", layer, C, 1, Sampled::kByLayer, false);
  }
  return tensors;
}

template <class T>
Parameters<T>::Parameters(const ModelConfig& config) : tensors_(list_tensors(config)) {
  const Tensor& last = tensors_.back();
  count_ = last.offset + (last.size() + 15) / 16 * 16;
  arena_ = Arena(static_cast<size_t>(count_) * 4 * sizeof(T), "model: weights, gradients and moments");
  for (int role = 0; role < 4; ++role) arrays_[role] = reinterpret_cast<T*>(arena_.data()) + role * count_;
}

template <class T>
void Parameters<T>::clear_gradients() {
  T* gradients = arrays_[static_cast<int>(Role::kGradient)];
  std::fill(gradients, gradients + count_, T(0));
}

template class Parameters<float>;
template class Parameters<double>;

}  // namespace burgeon
