// A transition (lib/est/transition.ts) as copies of rows of the engine's tensors, which native code carries out in order.
// A pure function of the model's shape and the parts trained before and after.

import type { NativeRowCopy, NativeTensor } from '../addon/binding.ts';
import { architectureOf } from '../config/architecture.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { BurgeonError } from '../errors.ts';
import { checkPart, type Part } from '../est/part.ts';
import { layerSources, readTransition, type Transition } from '../est/transition.ts';
import { requireOptions } from './arguments.ts';

export interface Growth {
  /** What has been trained. */
  from: Part;
  /** What is trained from now on, at least as much. */
  to: Part;
  transition: Transition;
}

type Unit = 'heads' | 'neurons';
/** A run of rows. */
type Run = readonly [first: number, count: number];

/** Tensors that add to the residual stream; without them a layer is the identity. */
const outputTensors = new Set(['attprojw', 'attprojb', 'fcprojw', 'fcprojb']);
/** Of these, the matrices, with a row for each unit. */
const outputMatrices: Record<Unit, string> = { heads: 'attprojw', neurons: 'fcprojw' };

/**
 * The copies that a growth is, in the order they must be made.
 * @throws {BurgeonError} ERR_BURGEON_SHAPE for parts that are not of this model, or become smaller; ERR_BURGEON_CONFIG for
 *   an unknown transition.
 */
export function growthCopies(model: ModelConfig, tensors: readonly NativeTensor[], growth: Growth): NativeRowCopy[] {
  requireOptions('grow()', growth);
  const { from, to } = growth;
  checkPart(from, model, 'from');
  checkPart(to, model, 'to');
  checkNotSmaller('to.layers', from.layers, to.layers);
  for (const unit of ['heads', 'neurons'] as const) {
    for (let layer = 0; layer < from.layers; layer++) {
      checkNotSmaller(`to.${unit}[${layer}]`, from[unit][layer]!, to[unit][layer]!);
    }
  }
  return new GrowthCopies(model, tensors, { from, to, transition: readTransition(growth.transition, 'grow()') }).list();
}

function checkNotSmaller(name: string, from: number, to: number): void {
  if (to >= from) return;
  throw new BurgeonError('ERR_BURGEON_SHAPE', `${name}: expected at least the ${from} trained before, received ${to}`);
}

class GrowthCopies {
  readonly #model: ModelConfig;
  readonly #growth: Growth;
  /** Of each layer, by position in the engine's list. */
  readonly #layers: { index: number; tensor: NativeTensor }[][];
  readonly #copies: NativeRowCopy[] = [];
  readonly #copiesMoments: boolean;

  constructor(model: ModelConfig, tensors: readonly NativeTensor[], growth: Growth) {
    this.#model = model;
    this.#growth = growth;
    this.#layers = Array.from({ length: model.nLayer }, () => []);
    for (const [index, tensor] of tensors.entries()) {
      if (tensor.layer >= 0) this.#layers[tensor.layer]!.push({ index, tensor });
    }
    const { moments, width } = growth.transition;
    this.#copiesMoments = (moments ?? (width === 'split' ? 'zero' : 'copy')) === 'copy';
  }

  list(): NativeRowCopy[] {
    const trained = this.#growDepth();
    for (const unit of ['heads', 'neurons'] as const) {
      for (let layer = 0; layer < this.#growth.to.layers; layer++) {
        this.#growWidth(layer, unit, trained[unit][layer]!, this.#growth.to[unit][layer]!);
      }
    }
    return this.#copies;
  }

  /** Fills layers from others; returns how many units of each layer then hold what was trained. */
  #growDepth(): Record<Unit, number[]> {
    const { from, to, transition } = this.#growth;
    const sources = layerSources(transition.layers ?? 'keep', from.layers, to.layers);
    const trained = { heads: [...from.heads], neurons: [...from.neurons] };
    // From the last down: no layer is read after it was written.
    for (let layer = to.layers - 1; layer >= 0; layer--) {
      const source = sources[layer]!;
      if (source === layer) continue;
      if (source < 0) {
        if (transition.layers === 'zero-out') this.#clearOutputs(layer);
        continue;
      }
      const isCopy = sources.indexOf(source) !== layer;
      const moments = !isCopy || this.#copiesMoments ? 1 : 0;
      for (const unit of ['heads', 'neurons'] as const) {
        trained[unit][layer] = Math.min(from[unit][source]!, to[unit][layer]!);
      }
      for (const [k, { index, tensor }] of this.#layers[layer]!.entries()) {
        for (const [first, rows] of this.#trainedRuns(tensor, trained, layer)) {
          const factors = { weight: 1, m: moments, v: moments };
          this.#add(index, first, this.#layers[source]![k]!.index, first, rows, factors);
        }
      }
    }
    return trained;
  }

  #clearOutputs(layer: number): void {
    for (const { index, tensor } of this.#layers[layer]!) {
      if (outputTensors.has(tensor.name)) this.#clear(index, 0, tensor.rows);
    }
  }

  /** Units `from` to `to` - 1 of a layer join the `from` before them. */
  #growWidth(layer: number, unit: Unit, from: number, to: number): void {
    const { width = 'keep' } = this.#growth.transition;
    if (width === 'keep' || from === 0 || to <= from) return;
    for (const { index, tensor } of this.#layers[layer]!) {
      if (width === 'zero-out' && tensor.name === outputMatrices[unit]) {
        for (const [first, rows] of this.#unitRuns(tensor, unit, from, to - from)) this.#clear(index, first, rows);
      }
      if (width === 'split' && isOf(tensor, unit)) this.#split(index, tensor, unit, from, to);
    }
  }

  #split(index: number, tensor: NativeTensor, unit: Unit, from: number, to: number): void {
    const isOutput = tensor.name === outputMatrices[unit];
    // The first `to` mod `from` units have one copy more than the others.
    const remainder = to % from;
    const fewest = Math.floor(to / from);
    for (const [begin, end, members] of [
      [0, remainder, fewest + 1],
      [remainder, from, fewest],
    ] as const) {
      if (begin === end) continue;
      // A copy gives its share of the output, and so gets that share of the gradient on its way in.
      const share = 1 / members;
      const factors = isOutput ? { weight: share, m: 1, v: 1 } : { weight: 1, m: share, v: share * share };
      const ofCopies = this.#copiesMoments ? factors : { ...factors, m: 0, v: 0 };
      const source = this.#unitRuns(tensor, unit, begin, end - begin);
      for (let copy = 1; copy < members; copy++) {
        for (const [i, [first, rows]] of this.#unitRuns(tensor, unit, begin + copy * from, end - begin).entries()) {
          this.#add(index, first, index, source[i]![0], rows, ofCopies);
        }
      }
      if (members === 1) continue;
      for (const [first, rows] of source) this.#add(index, first, index, first, rows, factors);
    }
  }

  /** Rows of a tensor that hold what was trained of its layer. */
  #trainedRuns(tensor: NativeTensor, trained: Record<Unit, number[]>, layer: number): Run[] {
    if (tensor.sampled === 'layer') return [[0, tensor.rows]];
    const unit = tensor.sampled === 'neurons' ? 'neurons' : 'heads';
    return this.#unitRuns(tensor, unit, 0, trained[unit][layer]!);
  }

  /** Rows of `count` units from `first` on: a head has them among queries, keys and values. */
  #unitRuns(tensor: NativeTensor, unit: Unit, first: number, count: number): Run[] {
    if (unit === 'neurons') return [[first, count]];
    const { headSize, nKvHead } = architectureOf(this.#model);
    const { nHead } = this.#model;
    const queries = (nHead / nKvHead) * headSize;
    const runs: Run[] = [[first * queries, count * queries]];
    if (tensor.sampled !== 'qkv') return runs;
    const keys = nHead * headSize;
    const values = keys + nKvHead * headSize;
    return [...runs, [keys + first * headSize, count * headSize], [values + first * headSize, count * headSize]];
  }

  #clear(index: number, first: number, rows: number): void {
    this.#add(index, first, index, first, rows, { weight: 0, m: 0, v: 0 });
  }

  #add(
    to: number,
    toRow: number,
    from: number,
    fromRow: number,
    rows: number,
    factors: Pick<NativeRowCopy, 'weight' | 'm' | 'v'>,
  ): void {
    this.#copies.push({ to, toRow, from, fromRow, rows, ...factors });
  }
}

function isOf(tensor: NativeTensor, unit: Unit): boolean {
  return unit === 'neurons' ? tensor.sampled === 'neurons' : tensor.sampled === 'qkv' || tensor.sampled === 'heads';
}
