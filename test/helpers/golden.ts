// Reads test/golden/ (its README has the format).

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { ModelConfig } from '../../lib/config/model-config.ts';
import type { Subnetwork } from '../../lib/est/subnetwork.ts';
import { openSafetensors } from '../../lib/formats/safetensors.ts';

const directory = path.join(import.meta.dirname, '..', 'golden');

export interface GoldenCase {
  config: ModelConfig;
  batch: number;
  tokens: Int32Array;
  targets: Int32Array;
  subnetwork: Subnetwork | undefined;
  loss: number;
  parameters: Map<string, Float64Array>;
  gradients: Map<string, Float64Array>;
  logits: Float64Array | undefined;
}

export async function readGoldenTensors(name: string) {
  const file = await openSafetensors(path.join(directory, `${name}.safetensors`));
  const tensors = new Map<string, Float64Array>();
  for (const tensor of file.names) tensors.set(tensor, await file.readDouble(tensor));
  await file.close();
  return tensors;
}

export async function readGoldenJson(name: string) {
  return JSON.parse(await readFile(path.join(directory, `${name}.json`), 'utf8'));
}

export async function readGolden(name: string): Promise<GoldenCase> {
  const json = await readGoldenJson(name);
  const tensors = await readGoldenTensors(name);
  const withPrefix = (prefix: string) =>
    new Map(
      [...tensors].filter(([key]) => key.startsWith(prefix)).map(([key, data]) => [key.slice(prefix.length), data]),
    );
  return {
    config: json.config,
    batch: json.batch,
    tokens: Int32Array.from(json.tokens),
    targets: Int32Array.from(json.targets),
    subnetwork: json.subnetwork && readSubnetwork(json.subnetwork),
    loss: json.loss,
    parameters: withPrefix('parameter/'),
    gradients: withPrefix('gradient/'),
    logits: tensors.get('logits'),
  };
}

type JsonLists = (number[] | null)[] | undefined;

function readSubnetwork(json: {
  layers?: number[];
  heads?: JsonLists;
  neurons?: JsonLists;
  queryHeads?: boolean;
  layerScale?: number;
}): Subnetwork {
  const lists = (entries: JsonLists) => entries?.map((entry) => (entry === null ? undefined : Int32Array.from(entry)));
  const subnetwork: Subnetwork = {};
  const heads = lists(json.heads);
  const neurons = lists(json.neurons);
  if (json.layers) subnetwork.layers = Int32Array.from(json.layers);
  if (heads) subnetwork[json.queryHeads ? 'queryHeads' : 'heads'] = heads;
  if (json.layerScale !== undefined) subnetwork.layerScale = json.layerScale;
  if (neurons) subnetwork.neurons = neurons;
  return subnetwork;
}
