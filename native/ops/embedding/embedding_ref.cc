#include "ops/embedding/embedding.h"

namespace burgeon::ref {

template <class T>
void embedding_forward(OpContext&, T* x, const int32_t* tokens, const Master<T>* wte, const Master<T>* wpe,
                       int64_t batch, int64_t sequence, int64_t width) {
  for (int64_t i = 0; i < batch * sequence; ++i) {
    const T* token = wte + tokens[i] * width;
    const T* position = wpe ? wpe + (i % sequence) * width : nullptr;
    for (int64_t c = 0; c < width; ++c) x[i * width + c] = token[c] + (position ? position[c] : 0);
  }
}

template <class T>
void embedding_backward(OpContext&, Master<T>* dwte, Master<T>* dwpe, const T* dx, const int32_t* tokens, int64_t batch,
                        int64_t sequence, int64_t width) {
  for (int64_t i = 0; i < batch * sequence; ++i) {
    for (int64_t c = 0; c < width; ++c) {
      dwte[tokens[i] * width + c] += dx[i * width + c];
      if (dwpe) dwpe[(i % sequence) * width + c] += dx[i * width + c];
    }
  }
}

template EmbeddingForward<float> embedding_forward<float>;
template EmbeddingForward<double> embedding_forward<double>;
template EmbeddingBackward<float> embedding_backward<float>;
template EmbeddingBackward<double> embedding_backward<double>;

}  // namespace burgeon::ref
