// burgeon plan: what a run would cost, before any training.

import { Command } from 'commander';
import type { NativeMemoryPlan } from '../addon/binding.ts';
import { blockOf } from '../config/architecture.ts';
import type { Device } from '../config/device.ts';
import { completeModel, type ModelConfig, parseModelConfig } from '../config/model-config.ts';
import { readManifest } from '../data/manifest.ts';
import { BurgeonError } from '../errors.ts';
import { allFlops, countFlops } from '../est/flops.ts';
import { countParameters } from '../est/parameters.ts';
import { type PlannedStage, planSchedule, planTargetSaving, type SchedulePlan } from '../est/plan.ts';
import { planCurve } from '../est/plan-curve.ts';
import type { ActiveCounts, SamplerOptions } from '../est/sampler.ts';
import { Schedule, type ScheduleName } from '../est/schedule.ts';
import { replaceFile } from '../files/replace-file.ts';
import { chooseDevice } from '../model/device.ts';
import { planMemory } from '../model/model.ts';
import type { ModelOptions } from '../model/options.ts';
import { drawPlan, planColumns, planSvg } from '../report/plan-picture.ts';
import { groupsOf } from '../train/groups.ts';
import { loadTrainConfig } from '../train/load-train-config.ts';
import { bytes, count, facts, percent, table } from './format.ts';
import { deviceOption, integerAtLeast, numberBetween, setOption } from './options.ts';

interface PlanFlags {
  set: string[];
  model?: string;
  vocabSize?: number;
  schedule?: string;
  steps?: number;
  batchSize?: number;
  sequenceLength?: number;
  targetSaving?: number;
  svg?: string;
  json?: boolean;
  device?: Device;
}

/** What is planned, wherever it came from. */
interface Subject {
  model: ModelConfig;
  schedule: Schedule;
  batchSize: number;
  accumulationSteps: number;
  groupsPerStep: number | 'auto' | 'sequence';
  sequenceLength: number;
  samplerOptions: SamplerOptions;
  modelOptions: Pick<ModelOptions, 'device' | 'precision' | 'threads'>;
}

export function planCommand(): Command {
  return new Command('plan')
    .summary('parameters, memory, FLOPs and saving of a run, before training it')
    .description(
      'Prints parameters, memory, FLOPs by component, and the saving of every stage of a schedule, without training anything. ' +
        'Describes a configuration file, or a model and a schedule given as options.',
    )
    .argument('[config]', 'training configuration, YAML or JSON')
    .addOption(setOption())
    .option('--model <preset>', 'model preset, instead of a configuration')
    .option('--vocab-size <n>', 'vocabulary size, where the preset has none', integerAtLeast(1))
    .option('--schedule <name>', 'dense, est-gpt2 or est-tinyllama (default: est-gpt2)')
    .option('--steps <n>', 'optimizer steps (default: 150000)', integerAtLeast(1))
    .option('--batch-size <n>', 'sequences per step (default: 8)', integerAtLeast(1))
    .option('--sequence-length <n>', "tokens per sequence (default: the model's context length)", integerAtLeast(1))
    .option(
      '--target-saving <share>',
      'find the stage ends that save this share of the block FLOPs',
      numberBetween(0, 1),
    )
    .addOption(deviceOption())
    .option('--svg <file>', 'also draw cost and saving along the run into an image')
    .option('--json', 'print as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  burgeon plan configs/shakespeare-char.yaml\n  burgeon plan --model gpt2 --schedule est-gpt2 --svg plan.svg\n  burgeon plan --model gpt2 --target-saving 0.2',
    )
    .action(async (file: string | undefined, flags: PlanFlags, command: Command) => {
      if (file !== undefined && flags.model !== undefined) {
        command.error('error: a configuration has its own model; leave --model out, or change it with --set model=...');
      }
      if (file === undefined && flags.set.length > 0) command.error('error: --set takes a configuration to change');
      const subject = file === undefined ? subjectFromFlags(flags) : await subjectFromFile(file, flags);
      const { model, batchSize, accumulationSteps, sequenceLength, samplerOptions } = subject;
      const options = { sequencesPerStep: batchSize * accumulationSteps, sequenceLength, samplerOptions };
      const schedule =
        flags.targetSaving === undefined
          ? subject.schedule
          : planTargetSaving(model, flags.targetSaving, subject.schedule.totalSteps, options);
      const plan = planSchedule(model, schedule, options);
      const groups = groupsOf(0, subject).length;
      const memory = planMemory(model, batchSize, sequenceLength, subject.modelOptions);
      const parameters = countParameters(model);
      const dense = countFlops(model, { batchSize: options.sequencesPerStep, sequenceLength });
      if (flags.svg !== undefined) {
        const curve = planCurve(model, schedule, options, 600);
        await replaceFile(flags.svg, planSvg(titleOf(subject, plan), curve, schedule.stages));
      }
      if (flags.json) {
        console.log(JSON.stringify({ model, parameters, memory, denseStep: dense, plan }, null, 2));
        return;
      }
      console.log(describe(subject, plan, groups));
      if (!schedule.isDense) console.log(`\n${drawPlan(planCurve(model, schedule, options, planColumns))}`);
      console.log(
        `\nparameters\n${facts([
          [`token embedding${parameters.head === 0 ? ' (tied head)' : ''}`, count(parameters.tokenEmbedding)],
          ...(parameters.positionEmbedding === 0
            ? []
            : [['position embedding', count(parameters.positionEmbedding)] as const]),
          ['attention', count(parameters.attention)],
          ['MLP', count(parameters.mlp)],
          ['norms', count(parameters.norms)],
          ...(parameters.head === 0 ? [] : [['head', count(parameters.head)] as const]),
          ['total', `${count(parameters.total)} (${parameters.total.toLocaleString('en')})`],
        ])}`,
      );
      console.log(`\n${describeMemory(subject, memory)}`);
      const total = allFlops(dense);
      const component = (name: 'qkv' | 'scores' | 'outProjection' | 'mlp' | 'head') => {
        const flops = dense.forward[name] + dense.backward[name];
        return `${count(flops)}FLOP  ${percent(flops / total)}`;
      };
      console.log(
        `\nFLOPs of a dense step (forward and backward, causal attention, 2 per multiply-add)\n${facts([
          ['QKV', component('qkv')],
          ['scores', component('scores')],
          ['out-projection', component('outProjection')],
          ['MLP', component('mlp')],
          ['head', component('head')],
          ['all', `${count(total)}FLOP`],
        ])}`,
      );
      if (flags.svg !== undefined) console.log(`\nwrote ${flags.svg}`);
    });
}

function describeMemory({ modelOptions, batchSize }: Subject, memory: NativeMemoryPlan): string {
  const { backend, cudaDevice } = chooseDevice(modelOptions.device);
  const { capacity, deviceName, total } = memory;
  const device = backend === 'cuda' ? `cuda:${cudaDevice}` : backend;
  const fits = total <= capacity ? '' : ': does not fit';
  return [
    `memory of ${device}`,
    facts([
      ['weights, gradients, moments', bytes(memory.weights + memory.gradients + memory.moments)],
      ['gathered weights and lists', bytes(memory.slots)],
      ['activations', `${bytes(memory.activations)} of ${batchSize} sequence${batchSize === 1 ? '' : 's'} at a time`],
      ['scratch', bytes(memory.scratch)],
      ['total', bytes(total)],
      ['there is', capacity > 0 ? `${bytes(capacity)}, ${deviceName}${fits}` : 'no such device here'],
    ]),
  ].join('\n');
}

function titleOf({ model }: Subject, { blockSaving, stages }: SchedulePlan): string {
  return `${model.nLayer} layers, ${model.nHead} heads, width ${model.nEmbd}: ${percent(blockSaving)} of the block FLOPs saved over ${count(stages.at(-1)!.endStep)} steps`;
}

async function subjectFromFile(file: string, flags: PlanFlags): Promise<Subject> {
  const config = await loadTrainConfig(file, { set: flags.set });
  // The vocabulary comes from the data where they are there, else from the option.
  const directory = config.data.directory;
  const dataVocabSize =
    config.model.vocabSize === undefined && directory !== undefined && flags.vocabSize === undefined
      ? await vocabSizeOf(directory)
      : flags.vocabSize;
  return {
    model: completeModel(config.model, dataVocabSize),
    schedule: new Schedule(
      (flags.schedule as ScheduleName | undefined) ?? config.est.schedule,
      flags.steps ?? config.steps,
    ),
    batchSize: flags.batchSize ?? config.batchSize,
    accumulationSteps: config.accumulationSteps,
    groupsPerStep: config.est.groupsPerStep,
    sequenceLength: flags.sequenceLength ?? config.sequenceLength,
    samplerOptions: config.est,
    modelOptions: {
      device: flags.device ?? config.device,
      precision: config.precision,
      ...(config.threads === 'auto' ? {} : { threads: config.threads }),
    },
  };
}

async function vocabSizeOf(directory: string): Promise<number> {
  try {
    return (await readManifest(directory)).vocabSize;
  } catch (error) {
    if (!(error instanceof BurgeonError)) throw error;
    throw new BurgeonError(error.code, `${error.message}, or give --vocab-size`, { cause: error });
  }
}

function subjectFromFlags(flags: PlanFlags): Subject {
  const model = parseModelConfig(flags.model ?? 'gpt2', flags.vocabSize);
  return {
    model,
    schedule: new Schedule((flags.schedule ?? 'est-gpt2') as ScheduleName, flags.steps ?? 150_000),
    batchSize: flags.batchSize ?? 8,
    accumulationSteps: 1,
    groupsPerStep: 'auto',
    sequenceLength: flags.sequenceLength ?? model.contextLength,
    samplerOptions: {},
    modelOptions: flags.device === undefined ? {} : { device: flags.device },
  };
}

function describe(subject: Subject, plan: SchedulePlan, groups: number): string {
  const { model, batchSize, accumulationSteps, sequenceLength } = subject;
  const { nKvHead } = blockOf(model);
  const isGrouped = nKvHead < model.nHead;
  const range = (from: number, to: number) => (from === to ? String(from) : `${from}..${to}`);
  const active = (stage: PlannedStage, key: keyof ActiveCounts, all: number) =>
    `${range(stage.countsFrom[key]!, stage.countsTo[key]!)}/${all}`;
  const rows = plan.stages.map((stage) => [
    String(stage.index + 1),
    `${stage.startStep}..${stage.endStep}`,
    active(stage, 'layers', model.nLayer),
    active(stage, 'heads', model.nHead),
    ...(isGrouped ? [active(stage, 'kvHeads', nKvHead)] : []),
    active(stage, 'neurons', model.nInner),
    percent(stage.blockFlopRatio),
    percent(stage.allFlopRatio),
  ]);
  const steps = plan.stages.at(-1)!.endStep;
  return [
    `${model.nLayer} layers, ${model.nHead} heads${isGrouped ? ` (${nKvHead} key-value heads)` : ''}, width ${model.nEmbd}, ${model.nInner} neurons, vocabulary ${model.vocabSize}`,
    `${steps} steps of ${batchSize * accumulationSteps} x ${sequenceLength} tokens = ${count(steps * batchSize * accumulationSteps * sequenceLength)} tokens, ${groups} group${groups === 1 ? '' : 's'} per micro-batch`,
    '',
    'schedule (FLOPs against the same steps dense)',
    table([
      ['stage', 'steps', 'layers', 'heads', ...(isGrouped ? ['kv heads'] : []), 'neurons', 'block FLOPs', 'all FLOPs'],
      ...rows,
    ]),
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
