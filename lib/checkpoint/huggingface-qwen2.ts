// Qwen2 in Hugging Face terms: Llama with biases of queries, keys and values, some layers of which may see a window only.
// Pure. Source: transformers configuration_qwen2.py and modeling_qwen2.py, versions 4 and 5.

import type { Qwen2Config } from '../config/model-config.ts';
import { quote } from '../quote.ts';
import { ConfigReader, type Json } from './huggingface-config.ts';
import type { Family } from './huggingface-family.ts';
import { readRotary, rotaryNames, rotaryToJson, smallerRotary } from './huggingface-llama.ts';

export const qwen2Family: Family<Qwen2Config> = {
  ...rotaryNames,
  modelType: 'qwen2',
  toJson: (model) => ({
    architectures: ['Qwen2ForCausalLM'],
    model_type: 'qwen2',
    ...rotaryToJson(model),
    use_sliding_window: false,
  }),
  fromJson(json, source) {
    const read = new ConfigReader(json, source);
    const model: Qwen2Config = {
      architecture: 'qwen2',
      ...readRotary(json, read, { contextLength: 32_768, nKvHead: 32 }),
    };
    refuseSlidingWindow(json, read, model);
    read.finish();
    return model;
  },
  smaller: smallerRotary,
};

/**
 * Where windows are used, layers from max_window_layers on have them, unless layer_types names those that do. Many models say
 * how long a window would be and use none; one as long as the context hides nothing.
 */
function refuseSlidingWindow(json: Json, read: ConfigReader, { nLayer, contextLength }: Qwen2Config): void {
  const { layer_types: types, max_window_layers: first = 28, sliding_window: window = 4096 } = json;
  if (types != null) {
    const other = Array.isArray(types) ? types.find((type) => type !== 'full_attention') : types;
    if (other !== undefined)
      read.report(`layer_types: burgeon supports "full_attention" of all, found ${quote(other)}`);
    return;
  }
  if (!read.flag('use_sliding_window', false) || window === null) return;
  const isAtLeast = (value: unknown, least: number) => typeof value === 'number' && value >= least;
  if (isAtLeast(window, contextLength) || isAtLeast(first, nLayer)) return;
  read.report(
    `use_sliding_window: burgeon supports false, found true: layers from ${quote(first)} on see ${quote(window)} of ${contextLength} tokens`,
  );
}
