// burgeon presets: names that a configuration may use, and what stands behind them.

import { Command } from 'commander';
import { packagedNames } from '../config/find-config.ts';
import { parseModelConfig } from '../config/model-config.ts';
import { modelPresetNames, modelPresets } from '../config/presets.ts';
import { countParameters } from '../est/parameters.ts';
import { planSchedule } from '../est/plan.ts';
import { Schedule, scheduleNames } from '../est/schedule.ts';
import { schedulePresets } from '../est/schedule-presets.ts';
import { onStdout } from './colour.ts';
import { count, percent, table, wrapped } from './format.ts';

export function presetsCommand(): Command {
  return new Command('presets')
    .summary('models and growth schedules by name, with sizes')
    .description(
      'Lists what a configuration may name: models with their sizes (`model: gpt2-nano`), schedules of growth and of ' +
        'subnetworks (`est.schedule: stack-4`), and the configurations that come with the package.',
    )
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  burgeon presets')
    .action(({ json }: { json?: boolean }) => {
      const presets = {
        models: modelPresetNames.map(modelRow),
        schedules: scheduleNames.map(scheduleRow),
        configurations: packagedNames('training'),
        sweeps: packagedNames('sweep'),
      };
      console.log(json ? JSON.stringify(presets, null, 2) : describe(presets));
    });
}

function modelRow(name: (typeof modelPresetNames)[number]) {
  const own: { readonly nLayer: number; readonly vocabSize?: number } = modelPresets[name];
  // With a vocabulary of one, what is left to count is what every further token adds.
  const model = parseModelConfig({ preset: name }, own.vocabSize ?? 1);
  const { total, tokenEmbedding, head } = countParameters(model);
  const perToken = own.vocabSize === undefined ? tokenEmbedding + head : 0;
  const { architecture, nLayer, nHead, nEmbd, contextLength } = model;
  const nKvHead = 'nKvHead' in model ? model.nKvHead : nHead;
  return {
    ...{ name, architecture, parameters: total - perToken, parametersPerToken: perToken },
    ...{ nLayer, nHead, nKvHead, nEmbd, contextLength, vocabSize: own.vocabSize ?? null },
  };
}

/** Of a model whose layers any schedule can divide. */
const divisible = parseModelConfig({ nLayer: 8, nHead: 8, nEmbd: 512, contextLength: 512, vocabSize: 1 });

function scheduleRow(name: (typeof scheduleNames)[number]) {
  const { summary, source } = schedulePresets[name];
  const plan = planSchedule(divisible, new Schedule(name, 100_000), { sequencesPerStep: 1, sequenceLength: 512 });
  return { name, summary, source, blockFlops: 1 - plan.blockSaving };
}

interface Presets {
  models: ReturnType<typeof modelRow>[];
  schedules: ReturnType<typeof scheduleRow>[];
  configurations: string[];
  sweeps: string[];
}

function describe({ models, schedules, configurations, sweeps }: Presets): string {
  const { title } = onStdout;
  const width = Math.max(...schedules.map(({ name }) => name.length));
  return [
    title('models (model: NAME)'),
    table([
      ['', 'parameters', 'layers', 'heads', 'width', 'context', 'vocabulary'],
      ...models.map((model) => [
        model.name,
        count(model.parameters) + (model.parametersPerToken === 0 ? '' : ` + ${model.parametersPerToken} V`),
        String(model.nLayer),
        model.nKvHead === model.nHead ? String(model.nHead) : `${model.nHead} (${model.nKvHead} kv)`,
        String(model.nEmbd),
        String(model.contextLength),
        model.vocabSize === null ? "V, the data's" : String(model.vocabSize),
      ]),
    ]),
    '',
    title('schedules (est.schedule: NAME), with their share of the block FLOPs of dense training'),
    ...schedules.map(({ name, summary, source, blockFlops }) =>
      wrapped(
        `${name.padEnd(width)}  ${percent(blockFlops, 0).padStart(5)}  ${summary}${source === '' ? '' : ` (${source})`}`,
        '  ',
        ' '.repeat(2 + width + 2 + 5 + 2),
      ),
    ),
    '',
    title('configurations (burgeon train NAME)'),
    wrapped(configurations.join(', '), '  ', '  '),
    title('sweeps (burgeon sweep NAME)'),
    wrapped(sweeps.join(', '), '  '),
  ].join('\n');
}
