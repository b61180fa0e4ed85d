// Schedules by name, as lists of stages that anyone could write by hand. docs/method.md says what each does and how it fared.

import type { StageConfig } from './stage.ts';

/** The first share of the layers. */
const firstLayers = (layers: number, endFraction: number): StageConfig => ({ endFraction, layers, choose: 'first' });

/** The same, after growth by stacked copies. */
const stacked = (stage: StageConfig): StageConfig => ({ ...stage, transition: 'stack' });
const inserted = (stage: StageConfig): StageConfig => ({ ...stage, transition: 'middle' });

/** One random path through the layers for the whole step. */
const path = (layers: number, endFraction: number): StageConfig => ({
  endFraction,
  layers,
  ...{ keepFirst: 1, keepLast: 1, groupsPerStep: 1 },
});

export interface SchedulePreset {
  stages: readonly StageConfig[];
  /** What it does. */
  summary: string;
  /** Where it comes from. */
  source: string;
}

/**
 * The EST ones are inferred from the published savings (26.67 % and 25.0 % of the block FLOPs) with every rate 0.5, where a
 * step costs 0.25 in the first stage, 0.5 in the second, 1 in the third. The others are their sources' idea, not their
 * exact figures: those are for other models and lengths.
 */
export const schedulePresets = {
  dense: { stages: [{}], summary: 'the complete model always', source: '' },
  'est-gpt2': {
    stages: [
      { endFraction: 2 / 15, heads: 0.5, neurons: 0.5, layers: 0.5 },
      { endFraction: 7 / 15, heads: 0.5, neurons: 0.5 },
      { endFraction: 1 },
    ],
    summary: 'half of layers, heads and neurons drawn at random, then half of heads and neurons, then all',
    source: 'Evolving Subnetwork Training, arXiv 2406.06962, for GPT-2',
  },
  'est-tinyllama': {
    stages: [
      { endFraction: 1 / 6, heads: 0.5, neurons: 0.5, layers: 0.5 },
      { endFraction: 5 / 12, heads: 0.5, neurons: 0.5 },
      { endFraction: 1 },
    ],
    summary: 'the same with shorter stages',
    source: 'Evolving Subnetwork Training, arXiv 2406.06962, for TinyLlama',
  },
  raptr: {
    stages: [{ endFraction: 0.02 }, path(1 / 2, 0.25), path(5 / 8, 0.5), path(3 / 4, 0.75), {}],
    summary: 'one random path of layers per step, first and last kept, longer in every stage',
    source: 'RaPTr, arXiv 2402.05913',
  },
  stack: {
    stages: [firstLayers(1 / 2, 0.53), stacked({})],
    summary: 'the first half of the layers, then copies stacked on them',
    source: 'Gstack, arXiv 2405.15319, with one doubling',
  },
  'stack-4': {
    stages: [firstLayers(1 / 4, 0.2), stacked(firstLayers(1 / 2, 0.5)), stacked({})],
    summary: 'a quarter of the layers, doubled twice by stacked copies',
    source: 'stacking, arXiv 2405.15319, several times',
  },
  'stack-late': {
    stages: [firstLayers(1 / 4, 0.3), stacked(firstLayers(1 / 2, 0.75)), stacked({})],
    summary: 'as stack-4, every part half as long again',
    source: 'stacking, arXiv 2405.15319, several times, with stages of our own search',
  },
  'stack-8': {
    stages: [firstLayers(1 / 8, 0.1), stacked(firstLayers(1 / 4, 0.3)), stacked(firstLayers(1 / 2, 0.6)), stacked({})],
    summary: 'an eighth of the layers, doubled three times by stacked copies',
    source: 'stacking, arXiv 2405.15319, several times',
  },
  'one-layer': {
    stages: [firstLayers(0.001, 0.35), stacked({})],
    summary: 'one layer, then copies of it',
    source: 'zero/one-layer expansion, arXiv 2511.04981',
  },
  midas: {
    stages: [
      firstLayers(1 / 4, 0.1),
      inserted(firstLayers(1 / 2, 0.3)),
      inserted(firstLayers(3 / 4, 0.6)),
      inserted({}),
    ],
    summary:
      'a quarter of the layers more in every stage, copies of the middle ones; stage i lasts i tenths of the run',
    source: 'MIDAS, arXiv 2409.19044',
  },
  'layer-dropout': {
    stages: [{ endFraction: 0.75, layers: [{ perLayer: [1, 0.2] }, 1], groupsPerStep: 'sequence' }, {}],
    summary: 'every sequence skips layers at random, later ones more, fewer and fewer of them up to 75 % of the run',
    source: 'decreasing layer dropout, arXiv 2609.05275',
  },
} as const satisfies Record<string, SchedulePreset>;

export type ScheduleName = keyof typeof schedulePresets;

export const scheduleNames = Object.keys(schedulePresets) as ScheduleName[];
