// How far burgeon scales: a simulation from measured speeds and published bandwidths (docs/scaling.md, whose tables it writes). The
// bytes are counted as `burgeon plan --ranks` counts them.
//
//   npx tsx bench/scaling.ts            prints the tables
//   npx tsx bench/scaling.ts --write    puts them into docs/scaling.md

import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { type ModelConfig, parseModelConfig } from '../lib/config/model-config.ts';
import { allFlops, countFlopsFromCounts } from '../lib/est/flops.ts';
import { samplerOf } from '../lib/est/part.ts';
import { activeCounts, sampleSubnetwork } from '../lib/est/sampler.ts';
import { expectedUnionElements, unionOf } from '../lib/est/union.ts';
import { count, percent } from '../lib/format.ts';
import { type Cluster, stepTime } from './scaling/cost.ts';

const root = path.join(import.meta.dirname, '..');
const page = path.join(root, 'docs', 'scaling.md');
const measuredFile = 'bench/results/model-gates-amx-bf16.json';

/** What is computed in a step, with the tokens per step of a published run. */
export interface Task {
  name: string;
  model: ModelConfig;
  sequenceLength: number;
  sequencesPerStep: number;
  /** At most, per micro-batch of a rank. */
  batchSize: number;
}

export const tasks: Task[] = [
  { name: '124M', model: parseModelConfig('gpt2'), sequenceLength: 1024, sequencesPerStep: 512, batchSize: 16 },
  {
    name: '1.1B',
    model: parseModelConfig('tinyllama-1.1b'),
    sequenceLength: 2048,
    sequencesPerStep: 1024,
    batchSize: 8,
  },
  {
    name: '7B',
    model: parseModelConfig({
      ...{ architecture: 'llama', nLayer: 32, nHead: 32, nKvHead: 32, nEmbd: 4096, nInner: 11_008 },
      ...{ contextLength: 4096, vocabSize: 32_000 },
    }),
    sequenceLength: 4096,
    sequencesPerStep: 1024,
    batchSize: 2,
  },
];

/** A kind of step: rates, who draws, and which measured entry has its speed. */
export interface Kind {
  name: string;
  rates: { heads: number; neurons: number; layers: number };
  choose?: { layers: 'first' };
  /** Whether each micro-batch draws its own subnetwork; else one holds for the step. */
  draws: 'each' | 'once';
  measured: string;
}

const half = { heads: 0.5, neurons: 0.5, layers: 0.5 };
export const kinds: Kind[] = [
  { name: 'dense', rates: { heads: 1, neurons: 1, layers: 1 }, draws: 'once', measured: 'd dense groups=1' },
  { name: 'stage 1, drawn by each', rates: half, draws: 'each', measured: 'd stage 1 groups=4' },
  { name: 'stage 1, drawn once', rates: half, draws: 'once', measured: 'd stage 1 groups=1' },
  {
    name: 'stage 1, nested L/2',
    rates: { heads: 1, neurons: 1, layers: 0.5 },
    choose: { layers: 'first' },
    draws: 'once',
    measured: 'd dense groups=1',
  },
];

/** NVIDIA H100 SXM, dense bf16 products; of it what is assumed to be reached. */
const gpuPeak = 989.4e12;
const assumedShare = 0.4;
const gpu = { memoryBytes: 3.35e12, hostBytes: 64e9 };
const network = { linkBytes: 12.5e9, latency: 20e-6 };

export interface Place extends Cluster {
  name: string;
  /** Where the measured speed holds; else the assumed one of a GPU. */
  isMeasured?: true;
  /** Of the device; undefined: not compared. */
  capacity?: number;
}

export const places: Place[] = [
  { name: '8 GPUs, NVLink', ranks: 8, linkBytes: 450e9, latency: 10e-6, ...gpu, capacity: 80e9 },
  { name: '8 hosts with a GPU, 100 Gb/s', ranks: 8, ...network, ...gpu, capacity: 80e9 },
  { name: '64 hosts with a GPU, 100 Gb/s', ranks: 64, ...network, ...gpu, capacity: 80e9 },
  { name: '64 hosts of 2 cores, 100 Gb/s', ranks: 64, ...network, memoryBytes: 83.6e9, isMeasured: true },
];

/** FLOP/s of the measured kinds of steps. */
export type Speeds = Readonly<Record<string, number>>;

export async function readSpeeds(): Promise<Speeds> {
  const { entries } = JSON.parse(await readFile(path.join(root, measuredFile), 'utf8')) as {
    entries: { key: string; flops: number; ms: { median: number } }[];
  };
  const speedOf = (key: string) => {
    const entry = entries.find((each) => each.key.startsWith(`${key} `))!;
    return (1000 * entry.flops) / entry.ms.median;
  };
  return Object.fromEntries(kinds.map(({ measured }) => [measured, speedOf(measured)]));
}

/** FLOPs of a step, gradients exchanged in it (bytes), and micro-batches of a rank. */
export function workOf({ model, sequenceLength, sequencesPerStep, batchSize }: Task, kind: Kind, ranks: number) {
  const { rates, choose = {}, draws } = kind;
  const sampler = samplerOf(model, {}, { rates, choose });
  const microBatches = Math.max(1, sequencesPerStep / ranks / batchSize);
  const shape = { batchSize: sequencesPerStep, sequenceLength, ...activeCounts(sampler) };
  const union =
    draws === 'each'
      ? expectedUnionElements(model, sampler, ranks * microBatches)
      : unionOf(model, [sampleSubnetwork(sampler, { seed: 1, step: 0, group: 0 })]).elements;
  return { flops: allFlops(countFlopsFromCounts(model, shape)), bytes: 4 * union, microBatches };
}

export function simulate(task: Task, kind: Kind, place: Place, speeds: Speeds) {
  const { flops, bytes, microBatches } = workOf(task, kind, place.ranks);
  // How much slower than dense ones other steps compute is measured on the processor, for GPUs too.
  const relative = speeds[kind.measured]! / speeds[kinds[0]!.measured]!;
  const speed = place.isMeasured ? speeds[kind.measured]! : relative * assumedShare * gpuPeak;
  return { bytes, ...stepTime({ computing: flops / speed, microBatches, bytes, updated: bytes / 4 }, place) };
}

const digits = (value: number) => Number(value.toPrecision(3)).toLocaleString('en', { maximumSignificantDigits: 3 });
const seconds = (value: number) => (value < 1 ? `${digits(1000 * value)} ms` : `${digits(value)} s`);
const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;

/** What could be done where the network is the limit, and how far each goes. */
function remedies(speeds: Speeds): string[] {
  const task = tasks[1]!;
  const place = places[2]!;
  const dense = kinds[0]!;
  const faster = { ...place, linkBytes: 4 * place.linkBytes };
  const larger = { ...task, sequencesPerStep: 4 * task.sequencesPerStep };
  const bf16 = (cluster: Place) => ({ ...cluster, linkBytes: 2 * cluster.linkBytes });
  const cases: [string, Task, Place][] = [
    ['as above', task, place],
    ['gradients sent in bf16: half the bytes', task, bf16(place)],
    ['400 Gb/s', task, faster],
    ['four times the sequences per step', larger, place],
    ['all three', larger, bf16(faster)],
  ];
  return [
    `## What helps: ${task.name}, ${dense.name}, ${place.name}`,
    '',
    row(['', 'no overlap', 'perfect overlap']),
    '|---|---|---|',
    ...cases.map(([name, each, cluster]) => {
      const { efficiency, overlapped } = simulate(each, dense, cluster, speeds);
      return row([name, percent(efficiency), percent(overlapped)]);
    }),
  ];
}

/** The tables of the page. */
export async function tables(): Promise<string> {
  const speeds = await readSpeeds();
  const parameters = ({ model }: Task) => unionOf(model, [undefined]).elements;
  const assumptions = [
    ['GPU', `${percent(assumedShare, 0)} of ${count(gpuPeak)}FLOP/s in dense steps: **assumed**`],
    ...kinds
      .slice(0, 3)
      .map(({ name, measured }) => [
        `2 cores, ${name}`,
        `${count(speeds[measured]!)}FLOP/s, measured: \`${measured}\` in \`${measuredFile}\``,
      ]),
    ['nested steps', 'as fast per FLOP as dense ones'],
    ['NVLink', `${count(places[0]!.linkBytes)}B/s each way, ${1e6 * places[0]!.latency} µs per message (assumed)`],
    [
      'network',
      `${count(network.linkBytes)}B/s each way, ${1e6 * network.latency} µs per message (assumed), all pairs at once`,
    ],
    ['GPU and its host', `${count(gpu.hostBytes)}B/s each way`],
    [
      'memory, for the update',
      `${count(gpu.memoryBytes)}B/s of a GPU, ${count(places[3]!.memoryBytes)}B/s of 2 cores (measured copy)`,
    ],
    ...tasks.map((task) => [
      task.name,
      `${count(parameters(task))} parameters, ${task.sequencesPerStep} x ${task.sequenceLength} tokens per step, micro-batches of at most ${task.batchSize}`,
    ]),
  ];
  const results = places.flatMap((place) => [
    `### ${place.name}`,
    '',
    row([
      'model',
      'step',
      'exchanged',
      'computing',
      'exchange',
      'no overlap',
      'perfect overlap',
      'update divided',
      ...(place.hostBytes ? ['through the host'] : []),
    ]),
    `|${'---|'.repeat(place.hostBytes ? 9 : 8)}`,
    ...tasks.flatMap((task) =>
      kinds.map((kind, i) => {
        const time = simulate(task, kind, place, speeds);
        const { bytes, computing, exchange, efficiency, overlapped, divided, throughHost } = time;
        return row([
          i === 0 ? task.name : '',
          kind.name,
          `${count(bytes)}B`,
          seconds(computing),
          seconds(exchange),
          ...[efficiency, overlapped, divided, ...(throughHost === undefined ? [] : [throughHost])].map((each) =>
            percent(each),
          ),
        ]);
      }),
    ),
    '',
  ]);
  const memory = tasks.map((task) => {
    const bytes = 16 * parameters(task);
    const capacity = places[0]!.capacity!;
    const sharded = (8 + 8 / places[0]!.ranks) * parameters(task);
    return row([
      task.name,
      `${count(bytes)}B`,
      bytes < capacity ? 'yes' : 'no',
      `${count(sharded)}B`,
      sharded < capacity ? 'yes' : 'no',
    ]);
  });
  return [
    '## What is put in',
    '',
    row(['', '']),
    '|---|---|',
    ...assumptions.map(row),
    '',
    '## Efficiency',
    '',
    ...results,
    ...remedies(speeds),
    '',
    '## Memory',
    '',
    row([
      'model',
      'weights, gradients, moments',
      'less than the 80 GB of an H100',
      'moments divided over 8 ranks',
      'less than 80 GB',
    ]),
    '|---|---|---|---|---|',
    ...memory,
  ].join('\n');
}

export const markers = [
  '<!-- Written by `npx tsx bench/scaling.ts --write`: do not edit. -->',
  '<!-- To here. -->',
] as const;

async function main(): Promise<void> {
  const text = await tables();
  if (!process.argv.includes('--write')) return console.log(text);
  const [begin, end] = markers;
  const old = await readFile(page, 'utf8');
  const [before, rest = ''] = old.split(begin);
  await writeFile(page, `${before}${begin}\n\n${text}\n\n${end}${rest.split(end)[1]}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
