// A plan in words and tables.

import { blockOf } from '../config/architecture.ts';
import { allFlops, type FlopCount } from '../est/flops.ts';
import type { ParameterCount } from '../est/parameters.ts';
import type { PlannedStage, SchedulePlan } from '../est/plan.ts';
import type { ActiveCounts } from '../est/sampler.ts';
import { type ScheduleName, schedulePresets } from '../est/schedule-presets.ts';
import { growsAt, stageText } from '../est/stage-text.ts';
import { chooseDevice } from '../model/device.ts';
import type { MemoryPlan } from '../model/native-options.ts';
import type { CheckpointSpace } from '../train/checkpoint-space.ts';
import { planNotes } from '../train/plan-notes.ts';
import type { StageMemory } from '../train/stage-memory.ts';
import { StepPlanner } from '../train/step-planner.ts';
import type { UpdateFlops } from '../train/update-plan.ts';
import { onStdout } from './colour.ts';
import { bytes, count, counted, facts, percent, plural, table } from './format.ts';
import type { PlanSubject } from './plan-subject.ts';

export function titleOf({ model }: PlanSubject, { blockSaving, stages }: SchedulePlan): string {
  return `${counted(model.nLayer, 'layer')}, ${counted(model.nHead, 'head')}, width ${model.nEmbd}: ${percent(blockSaving)} of the block FLOPs saved over ${count(stages.at(-1)!.endStep)} ${plural(stages.at(-1)!.endStep, 'step')}`;
}

/** What a preset does and where it comes from; nothing for stages of one's own. */
export function presetText(schedule: PlanSubject['config']['est']['schedule']): string | undefined {
  if (typeof schedule !== 'string') return undefined;
  const { summary, source } = schedulePresets[schedule as ScheduleName];
  return `${schedule}: ${summary}${source === '' ? '' : ` (${source})`}`;
}

/** @param memory null where it is not known. */
export function describePlan(subject: PlanSubject, plan: SchedulePlan, memory: readonly StageMemory[] | null): string {
  const { model, config } = subject;
  const { batchSize, accumulationSteps, sequenceLength, est } = config;
  const planner = new StepPlanner(model, config);
  const { nKvHead } = blockOf(model);
  const isGrouped = nKvHead < model.nHead;
  const active = (stage: PlannedStage, key: keyof ActiveCounts, all: number) =>
    `${range(stage.countsFrom[key]!, stage.countsTo[key]!)}/${all}`;
  const rows = plan.stages.map((stage, i) => [
    String(stage.index + 1),
    `${stage.startStep + 1}..${stage.endStep}`,
    active(stage, 'layers', model.nLayer),
    active(stage, 'heads', model.nHead),
    ...(isGrouped ? [active(stage, 'kvHeads', nKvHead)] : []),
    active(stage, 'neurons', model.nInner),
    stageText(stage, growsAt(model, planner.schedule, est, stage)),
    percent(stage.blockFlopRatio),
    percent(stage.allFlopRatio),
    ...(memory === null ? [] : [bytes(memory[i]!.memory.activations)]),
  ]);
  const steps = plan.stages.at(-1)!.endStep;
  const preset = presetText(est.schedule);
  return [
    `${counted(model.nLayer, 'layer')}, ${counted(model.nHead, 'head')}${isGrouped ? ` (${counted(nKvHead, 'key-value head')})` : ''}, width ${model.nEmbd}, ${model.nInner} neurons, vocabulary ${model.vocabSize}`,
    `${counted(steps, 'step')} of ${batchSize * accumulationSteps} x ${sequenceLength} tokens = ${count(steps * batchSize * accumulationSteps * sequenceLength)} tokens, ${groupsText(subject)}`,
    '',
    ...(preset === undefined ? [] : [preset]),
    onStdout.title('schedule (FLOPs against the same steps dense)'),
    table([
      [
        ...['stage', 'steps', 'layers', 'heads', ...(isGrouped ? ['kv heads'] : []), 'neurons', 'which'],
        ...['block FLOPs', 'all FLOPs', ...(memory === null ? [] : ['activations'])],
      ],
      ...rows,
    ]),
    ...proposals(memory ?? []),
    ...planNotes(model, config).map(onStdout.note),
    '',
    facts([
      ['block FLOPs saved', `${percent(plan.blockSaving, 2)} (attention and MLP of the layers)`],
      [
        'all FLOPs saved',
        `${percent(plan.allSaving, 2)} (the head, ${percent(plan.headShare)} of a dense step, does not shrink)`,
      ],
      ['all FLOPs', `${count(plan.allFlops)}FLOP, dense ${count(plan.denseAllFlops)}FLOP`],
    ]),
  ].join('\n');
}

/** Means of layers that are active by chance have a digit. */
function range(from: number, to: number): string {
  const text = (value: number) => String(Number(value.toFixed(1)));
  return text(from) === text(to) ? text(from) : `${text(from)}..${text(to)}`;
}

/** Of the steps with most groups. */
function groupsText({ model, config }: PlanSubject): string {
  const planner = new StepPlanner(model, config);
  const counts = planner.schedule.stages
    .filter(({ startStep, endStep }) => startStep < endStep)
    .map(({ startStep }) => planner.groups(startStep, 0).length);
  const groups = Math.max(...counts);
  return `${counts.every((each) => each === groups) ? '' : 'up to '}${counted(groups, 'group')} per micro-batch`;
}

/** Larger micro-batches for which a smaller part has room. */
function proposals(memory: readonly StageMemory[]): string[] {
  return memory
    .filter(({ batchSize, proposedBatchSize }) => proposedBatchSize > batchSize)
    .map(
      ({ stage, batchSize, proposedBatchSize }) =>
        `stage ${stage} has room for micro-batches of ${proposedBatchSize} instead of ${batchSize} sequences: give it batchSize: ${proposedBatchSize}`,
    );
}

export function describeParameters(parameters: ParameterCount): string {
  return `${onStdout.title('parameters')}\n${facts([
    [`token embedding${parameters.head === 0 ? ' (tied head)' : ''}`, count(parameters.tokenEmbedding)],
    ...(parameters.positionEmbedding === 0
      ? []
      : [['position embedding', count(parameters.positionEmbedding)] as const]),
    ['attention', count(parameters.attention)],
    ['MLP', count(parameters.mlp)],
    ['norms', count(parameters.norms)],
    ...(parameters.head === 0 ? [] : [['head', count(parameters.head)] as const]),
    ['total', `${count(parameters.total)} (${parameters.total.toLocaleString('en')})`],
  ])}`;
}

export function describeMemory({ modelOptions, config }: PlanSubject, memory: MemoryPlan): string {
  const { backend, cudaDevice } = chooseDevice(modelOptions.device);
  const { capacity, deviceName, total } = memory;
  const { batchSize } = config;
  const device = backend === 'cuda' ? `cuda:${cudaDevice}` : backend;
  const fits = total <= capacity ? '' : ': does not fit';
  const { shard } = modelOptions;
  const saved = 2 * memory.weights - memory.moments;
  const divided = shard && shard.size > 1 ? `, ${bytes(saved)} less by dividing moments over ${shard.size} ranks` : '';
  return [
    onStdout.title(`memory of ${device}`),
    facts([
      ['weights, gradients, moments', bytes(memory.weights + memory.gradients + memory.moments) + divided],
      ['gathered weights and lists', bytes(memory.slots)],
      ['activations', `${bytes(memory.activations)} of ${counted(batchSize, 'sequence')} at a time`],
      ['scratch', bytes(memory.scratch)],
      ...(memory.sums === 0
        ? []
        : [
            [
              'sums of gradients',
              `${bytes(memory.sums)} while ${Math.ceil(config.accumulationSteps)} micro-batches add up`,
            ] as const,
          ]),
      ['total', bytes(total)],
      ['there is', capacity > 0 ? `${bytes(capacity)}, ${deviceName}${fits}` : 'no such device here'],
    ]),
  ].join('\n');
}

/** Where there is no engine to ask. */
export function describeUnknownMemory({ total }: ParameterCount): string {
  return [
    onStdout.title('memory'),
    facts([
      ['weights, gradients, moments', `${bytes(4 * 4 * total)} in float32`],
      ['the rest', 'not known without the native addon; `burgeon doctor` says what is wrong with it'],
    ]),
  ].join('\n');
}

export function describeCheckpoints(
  { config }: PlanSubject,
  { bytes: each, count, available }: CheckpointSpace,
): string {
  const fits = available === null || count * each <= available ? '' : ': do not fit';
  return [
    onStdout.title('checkpoints'),
    facts([
      ['each', bytes(each)],
      ['at once', `${bytes(count * each)}, up to ${count} of them (keepLast ${config.checkpoint.keepLast})`],
      ...(available === null ? [] : [['there is', `${bytes(available)} for ${config.output}${fits}`] as const]),
    ]),
  ].join('\n');
}

export function describeUpdates(updates: readonly UpdateFlops[]): string {
  const rows = updates.map(({ stage, newtonSchulzFlops, share }) => [
    String(stage),
    `${count(newtonSchulzFlops)}FLOP`,
    percent(share),
  ]);
  const title = "FLOPs of Muon's products in an update (beside all others; they do not grow with the tokens)";
  return `${onStdout.title(title)}\n${table([['stage', 'an update', 'of a step'], ...rows])}`;
}

export function describeDenseStep(dense: FlopCount): string {
  const total = allFlops(dense);
  const component = (title: string, name: keyof FlopCount['forward']) => {
    const flops = dense.forward[name] + dense.backward[name];
    return [title, `${count(flops)}FLOP`, percent(flops / total)];
  };
  const title = 'FLOPs of a dense step (forward and backward, causal attention, 2 per multiply-add)';
  return `${onStdout.title(title)}\n${table([
    component('QKV', 'qkv'),
    component('scores', 'scores'),
    component('out-projection', 'outProjection'),
    component('MLP', 'mlp'),
    component('head', 'head'),
    ['all', `${count(total)}FLOP`, ''],
  ])}`;
}
