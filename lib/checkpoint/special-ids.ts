// Ids of special tokens as a model's files have them: kept as they came, from one directory to the next, because only who trained the
// model knows what they mean. Pure.

import type { Json } from './huggingface-config.ts';

/** What config.json and generation_config.json say of special tokens, and all else that the latter says. */
export interface SpecialIds {
  /** The fields of config.json whose names end in token_id, whatever they hold: a number, a list, null. */
  readonly config: Json;
  /** generation_config.json; undefined where there is none. */
  readonly generation?: Json | undefined;
}

/** Of a new model: its end-of-text token begins and ends texts. Null says that there is none, where transformers has a default. */
export function newSpecialIds(endOfText: number | undefined): SpecialIds {
  const ids = { bos_token_id: endOfText ?? null, eos_token_id: endOfText ?? null };
  return { config: ids, generation: ids };
}

export function readSpecialIds(config: Json, generation: Json | undefined): SpecialIds {
  const isId = ([key]: [string, unknown]) => key.endsWith('_token_id');
  return { config: Object.fromEntries(Object.entries(config).filter(isId)), generation };
}

/** The tokens at which transformers ends a text: one or several, of generation_config.json or else of config.json. */
export function stopIds({ config, generation }: SpecialIds): number[] {
  const named = [generation?.eos_token_id ?? config.eos_token_id].flat();
  return named.filter((id): id is number => Number.isSafeInteger(id));
}
