// What is said of an architecture to read and write it as transformers does. Types only.

import type { Json } from './huggingface-config.ts';

/** How much of a model is kept; heads and neurons in every kept layer. */
export interface KeptCounts {
  layers: number;
  heads: number;
  kvHeads: number;
  neurons: number;
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
  /**
   * The model that is left when so much of `model` is kept.
   * @throws {BurgeonError} ERR_BURGEON_CONFIG when transformers could not represent it.
   */
  smaller(model: Config, kept: KeptCounts): Config;
}
