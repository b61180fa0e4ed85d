// Which elements of a model's tensors belong to a subnetwork, in Hugging Face's layout. Pure.

import { architectureOf } from '../config/architecture.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { listTensors } from '../config/tensors.ts';
import type { Subnetwork } from '../est/subnetwork.ts';

/** Whether element `i` of a tensor takes part in a subnetwork, whose heads are key and value heads. */
export function isActive(config: ModelConfig, subnetwork: Subnetwork, name: string): (i: number) => boolean {
  const tensor = listTensors(config).find((each) => each.name === name)!;
  if (tensor.layer < 0) return () => true;
  const slot = subnetwork.layers ? subnetwork.layers.indexOf(tensor.layer) : tensor.layer;
  if (slot < 0) return () => false;
  const hasHead = isListed(subnetwork.heads?.[slot]);
  const hasNeuron = isListed(subnetwork.neurons?.[slot]);
  const { headSize, nKvHead } = architectureOf(config);
  const [keys, perGroup] = [nKvHead * headSize, headSize * (config.nHead / nKvHead)];
  /** Whether a row of the engine's tensor takes part. */
  const hasRow: Record<typeof tensor.rows, (row: number) => boolean> = {
    vocabulary: () => true,
    positions: () => true,
    width: () => true,
    queries: (row) => hasHead(Math.floor(row / perGroup)),
    keys: (row) => hasHead(Math.floor(row / headSize)),
    values: (row) => hasHead(Math.floor(row / headSize)),
    qkv: (row) => {
      const queries = config.nHead * headSize;
      return row < queries ? hasRow.queries(row) : hasRow.keys((row - queries) % keys);
    },
    neurons: hasNeuron,
  };
  const columns = tensor.shape[1] ?? 1;
  const rowOf = (i: number) => (tensor.stored === 'transposed' ? i % columns : Math.floor(i / columns));
  return (i) => hasRow[tensor.rows](rowOf(i));
}

/** No list is all. */
function isListed(list: Int32Array | undefined): (unit: number) => boolean {
  const set = list && new Set(list);
  return (unit) => set?.has(unit) ?? true;
}
