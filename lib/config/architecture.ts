// What an architecture means, as data: the one place that turns a ModelConfig into what the engine, the ledger and the
// memory plan need to know. Nobody else asks which architecture a model has, except for names on disk. Pure.

import type { ModelConfig } from './model-config.ts';
import { requireInteger, requireObject, wrong } from './require.ts';
import { ropeFrequencies } from './rope.ts';

export interface Architecture {
  /** Key and value heads, KV; equal to nHead without grouped queries. */
  nKvHead: number;
  /** Width of a head, HS. */
  headSize: number;
  normEpsilon: number;
  /** RMSNorm, without bias; else LayerNorm. */
  rmsNorm: boolean;
  /** SwiGLU with a gate matrix; else GELU. */
  gatedMlp: boolean;
  /** Biases of queries, keys and values. */
  qkvBias: boolean;
  /** Bias of the attention's output projection. */
  attentionOutputBias: boolean;
  /** Biases of the MLP's matrices. */
  mlpBias: boolean;
  /** Whether the output head is the token embedding. */
  tiedHead: boolean;
  /** Rotary positions: radians per position of each of the HS / 2 pairs. null: learned positions. */
  ropeFrequencies: Float32Array | null;
}

/** SwiGLU, with a gate matrix; else GELU. */
const isGated: Record<ModelConfig['architecture'], boolean> = { gpt2: false, llama: true, qwen2: true };

export function architectureOf(model: ModelConfig): Architecture {
  if (model.architecture === 'gpt2') {
    return {
      nKvHead: model.nHead,
      headSize: model.nEmbd / model.nHead,
      normEpsilon: model.layerNormEpsilon,
      rmsNorm: false,
      gatedMlp: isGated.gpt2,
      qkvBias: true,
      attentionOutputBias: true,
      mlpBias: true,
      tiedHead: true,
      ropeFrequencies: null,
    };
  }
  const { attentionBias, mlpBias } = model.architecture === 'llama' ? model : { attentionBias: false, mlpBias: false };
  return {
    nKvHead: model.nKvHead,
    headSize: model.headSize,
    normEpsilon: model.rmsNormEpsilon,
    rmsNorm: true,
    gatedMlp: isGated[model.architecture],
    qkvBias: attentionBias || model.architecture === 'qwen2',
    attentionOutputBias: attentionBias,
    mlpBias,
    tiedHead: model.tiedHead,
    ropeFrequencies: ropeFrequencies(model.headSize, model.ropeTheta, model.ropeScaling),
  };
}

/** What the cost of a model's blocks depends on; a ModelConfig is one. */
export interface BlockShape {
  architecture?: ModelConfig['architecture'] | undefined;
  nLayer: number;
  nHead: number;
  nEmbd: number;
  nInner: number;
  /** Default: nHead. */
  nKvHead?: number | undefined;
  /** Default: nEmbd / nHead. */
  headSize?: number | undefined;
}

/** The largest sizes of a model, those of its configuration: lists of units of all layers fit in memory. */
export const mostUnits = { nLayer: 1024, nHead: 1024, nInner: 2 ** 20 } as const;

/** @throws {BurgeonError} ERR_BURGEON_CONFIG for what has not the sizes of a model. */
export function requireBlocks(model: BlockShape): void {
  requireObject('model', model);
  for (const [name, most] of Object.entries(mostUnits)) {
    requireInteger(`model.${name}`, model[name as keyof typeof mostUnits], 1, most);
  }
  const { nHead, nKvHead = nHead, headSize = 1, architecture = 'gpt2' } = model;
  requireInteger('model.nKvHead', nKvHead, 1);
  requireInteger('model.headSize', headSize, 1);
  if (nHead % nKvHead !== 0) throw wrong('model.nKvHead', `a divisor of the ${nHead} query heads`, nKvHead);
  if (!Object.hasOwn(isGated, architecture))
    throw wrong('model.architecture', Object.keys(isGated).join(' or '), architecture);
}

/** Heads and MLP matrices of a BlockShape, with its defaults. */
export function blockOf({
  architecture = 'gpt2',
  nHead,
  nEmbd,
  nKvHead = nHead,
  headSize = nEmbd / nHead,
}: BlockShape) {
  return { nKvHead, headSize, mlpMatrices: isGated[architecture] ? 3 : 2 };
}
