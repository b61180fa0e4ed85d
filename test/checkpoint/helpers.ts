// Shared by the checkpoint tests: temporary directories, a tiny model with known numbers, and the bytes of a
// safetensors file made by hand (independent of the writer under test).

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { CheckpointContents } from '../../lib/checkpoint/checkpoint.ts';
import type { ModelConfig } from '../../lib/config/model-config.ts';
import { listTensors } from '../../lib/config/tensors.ts';

/** A directory that is deleted when the test ends. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'burgeon-checkpoint-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export const tinyModel: ModelConfig = {
  architecture: 'gpt2',
  nLayer: 2,
  nHead: 2,
  nEmbd: 4,
  nInner: 6,
  contextLength: 5,
  vocabSize: 7,
  layerNormEpsilon: 1e-5,
};

/** Numbers that differ between tensors, kinds and seeds; float32 exactly. */
export function values(name: string, kind: string, seed: number, model = tinyModel): Float32Array {
  const index = listTensors(model).findIndex((tensor) => tensor.name === name);
  const length = listTensors(model)[index]!.shape.reduce((a, b) => a * b, 1);
  return Float32Array.from({ length }, (_, i) =>
    Math.fround(seed + index + i / 64 + { w: 0, m: 1000, v: 2000 }[kind]!),
  );
}

export function tinyContents(seed: number, changes: Partial<CheckpointContents> = {}): CheckpointContents {
  return {
    model: tinyModel,
    endOfText: 6,
    tokenizerFiles: { 'vocab.json': '{"a":0}', 'merges.txt': '#version: 0.2\nĠ t\n' },
    optimizer: 'adamw',
    readTensor: async (name) => values(name, 'w', seed),
    readMoment: async (name, moment) => values(name, moment, seed),
    state: { step: seed, losses: [1.5, 2.25], nested: { text: 'ü', none: null } },
    ...changes,
  };
}

/** A safetensors file from its parts, whatever they are. */
export function fileBytes(header: string | object, data: Uint8Array = new Uint8Array()): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, data]);
}
