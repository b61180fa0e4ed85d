// burgeon inspect: what is in a model or a checkpoint.

import { Command } from 'commander';
import { findModel } from '../checkpoint/find-model.ts';
import { openModel } from '../checkpoint/open-model.ts';
import { type TensorStatistics, tensorStatistics } from '../checkpoint/tensor-statistics.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { countParameters } from '../est/parameters.ts';
import { Schedule } from '../est/schedule.ts';
import { growsAt, stageText } from '../est/stage-text.ts';
import { valueText } from '../format.ts';
import { readRunState } from '../train/checkpoint-part.ts';
import type { RunState } from '../train/run-state.ts';
import { onStdout } from './colour.ts';
import { count, duration, facts, percent, small, table } from './format.ts';
import { findTokenizer, modelArgumentHelp } from './model-argument.ts';
import { sayNote } from './say-note.ts';

export function inspectCommand(): Command {
  return new Command('inspect')
    .summary('what is in a model or a checkpoint')
    .description(
      'Prints the configuration of a model, and of each tensor the shape, the mean and norm of its finite values, and the shares ' +
        'that are NaN or infinite. Of a checkpoint also its step, stages, losses and data.',
    )
    .argument('<model>', modelArgumentHelp)
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  burgeon inspect runs/shakespeare-char')
    .action(async (given: string, flags: { json?: boolean }) => {
      const inspection = await inspect(await findModel(given, sayNote));
      console.log(flags.json ? JSON.stringify(inspection, null, 2) : describe(inspection));
    });
}

async function inspect(path: string) {
  const opened = await openModel(path);
  try {
    const { model } = opened;
    const tensors: TensorStatistics[] = [];
    for await (const tensor of tensorStatistics(opened)) tensors.push(tensor);
    const state = await readRunState(path);
    return {
      path,
      model,
      parameters: countParameters(model).total,
      tokenizer: (await findTokenizer(path))?.name ?? null,
      training: state === undefined ? null : trainingOf(state, model),
      tensors,
    };
  } finally {
    await opened.close();
  }
}

function trainingOf(state: RunState, model: ModelConfig) {
  const { step, tokens, config, trainTokens, data, initialValidationLoss, lastValidationLoss, best } = state;
  const schedule = new Schedule(config.est.schedule, config.steps);
  const stages = schedule.stages.map((stage) => {
    const done = state.stages.find((totals) => totals.stage === stage.index + 1);
    return {
      stage: stage.index + 1,
      startStep: stage.startStep,
      endStep: stage.endStep,
      which: stageText(stage, growsAt(model, schedule, config.est, stage)),
      done: done?.steps ?? 0,
      ms: done?.ms ?? 0,
      blockFlopRatio: done ? done.blockFlops / done.denseBlockFlops : null,
    };
  });
  return {
    ...{ step, steps: config.steps, tokens, stages, initialValidationLoss, lastValidationLoss, best },
    // Checkpoints of earlier versions do not know what was held out.
    data: { ...config.data, trainTokens, validationTokens: data ? (data.validation?.tokens ?? 0) : null },
  };
}

type Inspection = Awaited<ReturnType<typeof inspect>>;

function describe({ path, model, parameters, tokenizer, training, tensors }: Inspection): string {
  return [
    path,
    onStdout.title('configuration'),
    facts([
      ...Object.entries(model).map(([key, value]) => [key, plain(value)] as const),
      ['parameters', `${count(parameters)} (${parameters.toLocaleString('en')})`],
      ['tokenizer', tokenizer ?? 'none that burgeon knows'],
    ]),
    ...(training === null ? [] : ['', onStdout.title('training'), describeTraining(training)]),
    '',
    onStdout.title('tensors'),
    table([['', 'shape', 'mean', 'norm', 'NaN', 'infinite'], ...tensors.map(tensorRow)]),
  ].join('\n');
}

function describeTraining({
  step,
  steps,
  tokens,
  stages,
  data,
  ...losses
}: NonNullable<Inspection['training']>): string {
  const { trainTokens, validationTokens, ...files } = data;
  const loss = (value: number | null) => (value === null ? 'not measured' : value.toFixed(4));
  const { initialValidationLoss, lastValidationLoss, best } = losses;
  return [
    facts([
      ['step', `${step} of ${steps}, ${count(tokens)} tokens`],
      [
        'held-out loss',
        `${loss(initialValidationLoss)} at the start, ${loss(lastValidationLoss)} at the last evaluation`,
      ],
      ...(best === null ? [] : [['best', `${loss(best.loss)} at step ${best.step}`] as const]),
      ...Object.entries(files).map(([key, value]) => [`data.${key}`, plain(value)] as const),
      ['training data', `${count(trainTokens)} tokens`],
      ...(validationTokens === null ? [] : [['held-out data', `${count(validationTokens)} tokens`] as const]),
    ]),
    table([
      ['stage', 'steps', 'done', 'which', 'time', 'block FLOPs'],
      ...stages.map(({ stage, startStep, endStep, done, which, ms, blockFlopRatio }) => [
        ...[String(stage), `${startStep + 1}..${endStep}`, String(done), which],
        ...(blockFlopRatio === null ? ['', ''] : [duration(ms), percent(blockFlopRatio)]),
      ]),
    ]),
  ].join('\n');
}

function tensorRow({ name, shape, mean, norm, nanShare, infiniteShare }: TensorStatistics): string[] {
  return [
    name,
    shape.join(' x '),
    mean === null ? '' : small(mean),
    small(norm),
    share(nanShare),
    share(infiniteShare),
  ];
}

/** One bad value of many must not read as none. */
function share(of: number): string {
  return of === 0 ? '0' : `${Number((100 * of).toPrecision(2))} %`;
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : valueText(value);
}
