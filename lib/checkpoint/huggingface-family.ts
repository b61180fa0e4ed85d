// What is said of an architecture to read and write it as transformers does. Types only.

import type { Json } from './huggingface-config.ts';

/** Parameter name without prefix, and its shape. */
export interface TensorShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** One architecture as transformers stores it. */
export interface Family<Config> {
  /** `model_type` of its config.json. */
  readonly modelType: string;
  /** What stands before every name but `lm_head.weight` in a file saved by the causal language model. */
  readonly prefix: string;
  /** The tensor that a tied head shares. */
  readonly tokenEmbedding: string;
  tiedHead(model: Config): boolean;
  /** Names, without prefix, of what older versions saved as if it were a weight. */
  readonly buffers: RegExp;
  toJson(model: Config): Record<string, unknown>;
  /** @throws {BurgeonError} ERR_BURGEON_CHECKPOINT listing everything that is missing, malformed or not supported. */
  fromJson(json: Json, source: string): Config;
  /** Every parameter once, in model order. */
  tensors(model: Config): TensorShape[];
}
