// Bytes that a call of an op must at least move: operands read and outputs written, once each, from the sizes that it was
// called with (the integers among its arguments; contracts in native/ops/). Activations and weights are float32. Pure.

/** `sizes` of each op by name; ops without an entry move little. */
const numbersMoved: Record<string, (...sizes: number[]) => number> = {
  embedding_forward: (batch, sequence, cols) => 2 * batch! * sequence! * cols!,
  embedding_backward: (batch, sequence, cols) => 3 * batch! * sequence! * cols!,
  norm_forward: (n, cols) => 2 * n! * cols!,
  norm_backward: (n, cols) => 4 * n! * cols!,
  linear_expand: (_, n, rows, cols) => n! * cols! + rows! * cols! + n! * rows!,
  linear_contract: (_, n, rows, cols) => n! * rows! + rows! * cols! + n! * cols!,
  // The gradient is added to: read and written.
  linear_weight_gradient: (_, n, rows, cols) => n! * rows! + n! * cols! + 2 * rows! * cols!,
  linear_bias_gradient: (_, n, rows) => n! * rows! + 2 * rows!,
  rotary: (n, _sequence, _stride, heads, headSize) => 2 * n! * heads! * headSize!,
  attention_forward: (batch, sequence, heads, kvHeads, headSize) =>
    batch! * sequence! * headSize! * (2 * heads! + 2 * kvHeads!),
  attention_backward: (batch, sequence, heads, kvHeads, headSize) =>
    batch! * sequence! * headSize! * (4 * heads! + 4 * kvHeads!),
  mlp_forward: (n, rows, cols) => n! * cols! + rows! * cols! + 2 * n! * rows!,
  mlp_backward: (n, rows, cols) => n! * cols! + rows! * cols! + 2 * n! * rows!,
  swiglu_forward: (n, rows, cols) => n! * cols! + 2 * rows! * cols! + 3 * n! * rows!,
  swiglu_backward: (n, rows, cols) => n! * cols! + rows! * cols! + 4 * n! * rows!,
  cross_entropy: (n, vocab) => 2 * n! * vocab!,
  // Weight, gradient and both moments, read and written.
  adamw: (elements) => 8 * elements!,
  sum_of_squares: (elements) => elements!,
};

export function bytesMoved(op: string, sizes: readonly number[]): number {
  return 4 * (numbersMoved[op]?.(...sizes) ?? 0);
}
