// GPT-2 in Hugging Face terms: configs both ways, the tensor table, and matching names found in files.

import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import {
  configFromHuggingFace,
  configToHuggingFace,
  endOfTextFromHuggingFace,
  resolveTensorNames,
} from '../../lib/checkpoint/huggingface.ts';
import { type ModelConfig, parseModelConfig } from '../../lib/config/model-config.ts';
import { listTensors } from '../../lib/config/tensors.ts';
import { openSafetensors } from '../../lib/formats/safetensors.ts';
import { smallLlama } from '../helpers/models.ts';
import { tinyModel } from './helpers.ts';

/** The config.json of the public gpt2 weights, as far as it matters. */
const publicGpt2 = {
  activation_function: 'gelu_new',
  architectures: ['GPT2LMHeadModel'],
  attn_pdrop: 0.1,
  bos_token_id: 50256,
  embd_pdrop: 0.1,
  eos_token_id: 50256,
  initializer_range: 0.02,
  layer_norm_epsilon: 1e-5,
  model_type: 'gpt2',
  n_ctx: 1024,
  n_embd: 768,
  n_head: 12,
  n_layer: 12,
  n_positions: 1024,
  resid_pdrop: 0.1,
  vocab_size: 50257,
};
const gpt2: ModelConfig = {
  architecture: 'gpt2',
  nLayer: 12,
  nHead: 12,
  nEmbd: 768,
  nInner: 3072,
  contextLength: 1024,
  vocabSize: 50257,
  layerNormEpsilon: 1e-5,
};

test('reads the public GPT-2 config', () => {
  expect(configFromHuggingFace(publicGpt2)).toEqual(gpt2);
  expect(endOfTextFromHuggingFace(publicGpt2)).toBe(50256);
});

test('writes what transformers needs', () => {
  expect(configToHuggingFace(gpt2)).toMatchObject({
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    vocab_size: 50257,
    n_positions: 1024,
    n_inner: null,
    activation_function: 'gelu_new',
    resid_pdrop: 0,
    embd_pdrop: 0,
    attn_pdrop: 0,
    tie_word_embeddings: true,
  });
  expect(configToHuggingFace(tinyModel)).toMatchObject({ n_inner: 6 });
});

test.for([gpt2, tinyModel])('a config survives the way through JSON', (model) => {
  const json = JSON.parse(JSON.stringify(configToHuggingFace(model)));
  expect(configFromHuggingFace(json)).toEqual(model);
});

test('gelu_pytorch_tanh is gelu_new', () => {
  expect(configFromHuggingFace({ ...publicGpt2, activation_function: 'gelu_pytorch_tanh' })).toEqual(gpt2);
});

test.for<[Record<string, unknown>, string]>([
  [{ model_type: 'bert' }, 'model_type: expected "gpt2" or "llama" or "qwen2", found "bert"'],
  [
    { activation_function: 'relu' },
    'activation_function: burgeon supports "gelu_new" or "gelu_pytorch_tanh", found "relu"',
  ],
  [{ scale_attn_by_inverse_layer_idx: true }, 'scale_attn_by_inverse_layer_idx: burgeon supports false, found true'],
  [{ scale_attn_weights: false }, 'scale_attn_weights: burgeon supports true, found false'],
  [{ add_cross_attention: true }, 'add_cross_attention: burgeon supports false, found true'],
  [{ tie_word_embeddings: false }, 'tie_word_embeddings: burgeon supports true, found false'],
  [{ n_layer: undefined }, 'n_layer: expected a positive integer, found nothing'],
  [{ n_head: 7 }, 'n_head: expected a divisor of n_embd (768), found 7'],
  [{ n_inner: 1.5 }, 'n_inner: expected a positive integer, found 1.5'],
  [{ is_causal: false }, 'is_causal: burgeon supports true, found false'],
  [{ layer_norm_epsilon: '1e-5' }, 'layer_norm_epsilon: expected a positive number, found "1e-5"'],
])('refuses a config with %o', ([change, message]) => {
  expect(() => configFromHuggingFace({ ...publicGpt2, ...change }, 'dir/config.json')).toThrow(message);
  expect(() => configFromHuggingFace({ ...publicGpt2, ...change }, 'dir/config.json')).toThrow('dir/config.json: ');
});

test.for<[Record<string, unknown>, string]>([
  [
    { quantization_config: { quant_method: 'bitsandbytes', load_in_8bit: true } },
    'quantization_config: expected weights that are not quantized, found a model that is ("bitsandbytes"); in transformers, load it',
  ],
  [{ quantization_config: { quant_method: 'fp8' } }, 'found a model that is ("fp8")'],
  [{ compression_config: { format: 'int-quantized' } }, 'compression_config: expected weights that are not'],
  [{ quantization_config: true }, 'found a model that is; in'],
  [{ torch_dtype: 'int8' }, 'torch_dtype: expected float32, bfloat16, float16 or float64, found "int8"'],
  [{ torch_dtype: 'torch.float8_e4m3fn' }, 'found "torch.float8_e4m3fn"'],
  [{ dtype: 'uint8' }, 'dtype: expected float32'],
  [{ dtype: 4 }, 'found 4'],
])('%j is refused, of every architecture', ([more, message]) => {
  for (const model of [gpt2, parseModelConfig(smallLlama(), 50)]) {
    expect(() => configFromHuggingFace({ ...configToHuggingFace(model), ...more })).toThrow(
      expect.objectContaining({ code: 'ERR_BURGEON_CHECKPOINT', message: expect.stringContaining(message) }),
    );
  }
});

test('types of weights are no matter', () => {
  for (const torch_dtype of ['float32', 'bfloat16', 'torch.float16', 'float64', 'auto', null]) {
    const json = { ...configToHuggingFace(gpt2), torch_dtype, dtype: torch_dtype, quantization_config: null };
    expect(configFromHuggingFace(json)).toEqual(gpt2);
  }
});

test('a config with several faults lists them all', () => {
  const faults = { ...publicGpt2, n_layer: 0, vocab_size: 'many', tie_word_embeddings: false };
  expect(() => configFromHuggingFace(faults)).toThrow(/n_layer.*\n.*vocab_size.*\n.*tie_word_embeddings/);
});

test('the tensor table has the 148 tensors and 124,439,808 parameters of GPT-2', () => {
  const table = listTensors(gpt2);
  expect(table.length).toBe(148);
  expect(table.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)).toBe(124_439_808);
  expect(table.slice(0, 3).map(({ name }) => name)).toEqual(['wte.weight', 'wpe.weight', 'h.0.ln_1.weight']);
});

test('the tensor table agrees with names and shapes from transformers', async () => {
  const folder = new URL('../golden/', import.meta.url).pathname;
  for (const name of ['dense', 'odd', 'subnetwork']) {
    const { config } = JSON.parse(await readFile(`${folder}${name}.json`, 'utf8'));
    const file = await openSafetensors(`${folder}${name}.safetensors`);
    const golden = new Map([...file.tensors].map(([tensor, { shape }]) => [tensor, shape]));
    const parameters = [...golden.keys()].filter((tensor) => tensor.startsWith('parameter/'));
    expect(parameters.length).toBe(listTensors(config).length);
    for (const tensor of listTensors(config)) expect(golden.get(`parameter/${tensor.name}`)).toEqual(tensor.shape);
    await file.close();
  }
});

const found = (edit: (tensors: Map<string, { shape: number[] }>) => void = () => {}, prefix = '') => {
  const tensors = new Map(listTensors(tinyModel).map(({ name, shape }) => [prefix + name, { shape: [...shape] }]));
  edit(tensors);
  return tensors;
};

test('finds names with and without prefix, past masks and a tied head', () => {
  const plain = resolveTensorNames(found(), tinyModel);
  expect(plain.size).toBe(28);
  expect(plain.get('h.1.attn.c_proj.bias')).toBe('h.1.attn.c_proj.bias');
  const withExtras = found((tensors) => {
    tensors.set('transformer.h.0.attn.bias', { shape: [1, 1, 5, 5] });
    tensors.set('transformer.h.1.attn.masked_bias', { shape: [] });
    tensors.set('lm_head.weight', { shape: [7, 4] });
  }, 'transformer.');
  expect(resolveTensorNames(withExtras, tinyModel).get('ln_f.bias')).toBe('transformer.ln_f.bias');
  expect(resolveTensorNames(withExtras, tinyModel).get('wte.weight')).toBe('transformer.wte.weight');
});

test.for([
  ['torch.compile', '_orig_mod.transformer.'],
  ['DataParallel', 'module.transformer.'],
  ['PEFT', 'base_model.model.transformer.'],
  ['several of them', '_orig_mod.module.base_model.model.transformer.'],
  ['a compiled inner model', 'transformer._orig_mod.'],
])('finds names as %s leaves them', ([, prefix]) => {
  const tensors = found(
    (map) => map.set(`${prefix!.replace('transformer.', '')}lm_head.weight`, { shape: [7, 4] }),
    prefix,
  );
  const names = resolveTensorNames(tensors, tinyModel);
  expect(names.get('h.1.attn.c_proj.bias')).toBe(`${prefix}h.1.attn.c_proj.bias`);
  expect(names.size).toBe(29);
});

test('an adapter is told from a model', () => {
  const tensors = found((map) =>
    map.set('base_model.model.transformer.h.0.attn.c_attn.lora_A.weight', { shape: [8, 4] }),
  );
  expect(() => resolveTensorNames(tensors, tinyModel)).toThrow('merge it first, with merge_and_unload of peft');
});

test('takes the embedding from the tied head where only that was saved', () => {
  const tensors = found((map) => {
    map.delete('wte.weight');
    map.set('lm_head.weight', { shape: [7, 4] });
  });
  expect(resolveTensorNames(tensors, tinyModel).get('wte.weight')).toBe('lm_head.weight');
});

test('reports everything that does not fit in one error', () => {
  const tensors = found((map) => {
    map.delete('wte.weight');
    map.delete('h.0.ln_1.bias');
    map.set('h.2.ln_1.bias', { shape: [4] });
    map.set('transformer.ln_f.bias', { shape: [4] });
    map.set('h.0.mlp.c_fc.weight', { shape: [6, 4] });
  });
  expect(() => resolveTensorNames(tensors, tinyModel, 'dir/model.safetensors')).toThrow(
    'dir/model.safetensors: the tensors are not those of the model in config.json:\n' +
      '  missing (2): wte.weight, h.0.ln_1.bias\n' +
      '  unknown (1): h.2.ln_1.bias\n' +
      '  doubled (1): transformer.ln_f.bias\n' +
      '  wrong shape (1): h.0.mlp.c_fc.weight [6,4] instead of [4,6]',
  );
});
