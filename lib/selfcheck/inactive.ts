// Which elements of a model's tensors belong to a subnetwork, in Hugging Face's layout. Pure.

import { layerTensor } from '../checkpoint/unit-axes.ts';
import { architectureOf, blockOf } from '../config/architecture.ts';
import type { ModelConfig } from '../config/model-config.ts';
import type { Subnetwork } from '../est/subnetwork.ts';

/** Whether element `i` of a tensor takes part in a subnetwork without `queryHeads`. */
export function isActive(
  config: ModelConfig,
  subnetwork: Subnetwork,
  name: string,
  columns: number,
): (i: number) => boolean {
  const tensor = layerTensor(config, name);
  if (tensor === undefined) return () => true;
  const slot = subnetwork.layers ? subnetwork.layers.indexOf(tensor.layer) : tensor.layer;
  if (slot < 0) return () => false;
  const { headSize } = blockOf(config);
  const heads = setOf(subnetwork.heads?.[slot]);
  const neurons = setOf(subnetwork.neurons?.[slot]);
  const row = (i: number) => Math.floor(i / columns);
  const hasHead = (head: number) => heads?.has(head) ?? true;
  // GPT-2's heads are in no table: queries, keys and values lie side by side.
  if (name.includes('.attn.c_attn.')) return (i) => hasHead(Math.floor(((i % columns) % config.nEmbd) / headSize));
  if (name.endsWith('.attn.c_proj.weight')) return (i) => hasHead(Math.floor(row(i) / headSize));
  const { axis } = tensor;
  if (axis === undefined) return () => true;
  // A bias has one row in its shape, but its elements are units.
  const unit = (i: number) => (axis.axis === 'columns' || name.endsWith('.bias') ? i % columns : row(i));
  if (axis.unit === 'neurons') return (i) => neurons?.has(unit(i)) ?? true;
  const perHead = axis.unit === 'queries' ? headSize * (config.nHead / architectureOf(config).nKvHead) : headSize;
  return (i) => hasHead(Math.floor(unit(i) / perHead));
}

const setOf = (list: Int32Array | undefined) => list && new Set(list);
