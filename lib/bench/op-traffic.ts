// Bytes that a call of an op must at least move: operands read and outputs written, once each, from the sizes that it was
// called with (the integers among its arguments, and the elements of its parts; contracts in native/ops/). Pure.

/** Bytes of one number: of activations, and of weights as products read them and of the residual stream. All others have 4. */
export interface NumberBytes {
  activation: number;
  weight: number;
}

/** How many numbers: activations; weights and those of the residual stream; float32. */
type Numbers = [activations: number, weights: number, words: number];

/** `sizes` of each op by name; ops without an entry move little. */
const numbersMoved: Record<string, (...sizes: number[]) => Numbers> = {
  embedding_forward: (batch, sequence, cols) => [0, batch! * sequence! * cols!, batch! * sequence! * cols!],
  embedding_backward: (batch, sequence, cols) => [0, batch! * sequence! * cols!, 2 * batch! * sequence! * cols!],
  norm_forward: (n, cols) => [n! * cols!, n! * cols!, 0],
  norm_backward: (n, cols) => [0, 4 * n! * cols!, 0],
  linear_expand: (_, n, rows, cols) => [n! * cols! + n! * rows!, rows! * cols!, 0],
  linear_contract: (_, n, rows, cols) => [n! * rows!, rows! * cols! + n! * cols!, 0],
  // The gradient is added to: read and written.
  linear_weight_gradient: (_, n, rows, cols) => [n! * rows! + n! * cols!, 0, 2 * rows! * cols!],
  rotary: (n, _sequence, _stride, heads, headSize) => [2 * n! * heads! * headSize!, 0, 0],
  attention_forward: (batch, sequence, heads, kvHeads, headSize) => {
    return [batch! * sequence! * headSize! * (2 * heads! + 2 * kvHeads!), 0, 0];
  },
  attention_backward: (batch, sequence, heads, kvHeads, headSize) => {
    return [batch! * sequence! * headSize! * (4 * heads! + 4 * kvHeads!), 0, 0];
  },
  mlp_forward: (n, rows, cols) => [n! * cols! + 2 * n! * rows!, rows! * cols!, 0],
  mlp_backward: (n, rows, cols) => [n! * cols! + 2 * n! * rows!, rows! * cols!, 0],
  swiglu_forward: (n, rows, cols) => [n! * cols! + 3 * n! * rows!, 2 * rows! * cols!, 0],
  swiglu_backward: (n, rows, cols) => [n! * cols! + 4 * n! * rows!, rows! * cols!, 0],
  cross_entropy: (n, vocab) => [2 * n! * vocab!, 0, 0],
  head_loss: (n, _vocab, rows, _stride, cols) => [n! * cols! + n! * rows!, rows! * cols!, 0],
  scale_rows: (n, cols) => [2 * n! * cols!, 0, 0],
  // Weight, gradient and both moments, read and written.
  adamw: (elements) => [0, 0, 8 * elements!],
  // Its products are of matrices that fit a cache; weight, gradient and momentum.
  muon: (elements) => [0, 0, 6 * elements!],
  sum_of_squares: (elements) => [0, 0, elements!],
  gather_matrix: (elements) => [0, elements!, elements!],
  gather_vector: (elements) => [0, 0, 2 * elements!],
  scatter_add: (elements) => [0, 0, 3 * elements!],
};

export function bytesMoved(op: string, sizes: readonly number[], bytes: NumberBytes): number {
  const [activations, weights, words] = numbersMoved[op]?.(...sizes) ?? [0, 0, 0];
  return bytes.activation * activations + bytes.weight * weights + 4 * words;
}

/** As native/backend/select.h has them. */
export function numberBytes(backend: string, precision: string): NumberBytes {
  const [narrow, wide] = [2, precision === 'float64' ? 8 : 4];
  const activation = precision === 'bf16' ? narrow : wide;
  return { activation, weight: backend === 'cuda' ? activation : wide };
}
