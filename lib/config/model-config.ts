// The shape of a model: plain data, validated once here, read by everyone else.

/** A GPT-2 architecture: pre-LN, learned positions, tanh GELU, biases, output head tied to the token embedding. */
export interface ModelConfig {
  architecture: 'gpt2';
  /** Number of transformer layers, L. */
  nLayer: number;
  /** Attention heads per layer, NH; divides nEmbd. */
  nHead: number;
  /** Embedding width, C. */
  nEmbd: number;
  /** MLP neurons per layer, F; 4 C unless given. */
  nInner: number;
  /** Longest sequence (number of learned positions), maxT. */
  contextLength: number;
  /** Vocabulary size, V. */
  vocabSize: number;
  /** Added to the variance in LayerNorm. */
  layerNormEpsilon: number;
}
