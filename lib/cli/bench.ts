// burgeon bench: how fast this machine is, each op, and whole steps; as tables, as a file, and against an earlier file.

import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import { Command, Option } from 'commander';
import { loadAddon } from '../addon/load.ts';
import { compareBenches } from '../bench/compare.ts';
import { describeMachine, type Machine, requireRelease } from '../bench/machine.ts';
import { benchModel, type RowResult } from '../bench/model-bench.ts';
import { defaultVocabSize, modelRows, presetRow } from '../bench/model-rows.ts';
import { benchOps } from '../bench/op-bench.ts';
import { type OpModelName, opModels } from '../bench/op-shapes.ts';
import { benchPeak } from '../bench/peak-bench.ts';
import { type BenchEntry, type BenchName, benchFile, readBenchFile, writeBenchFile } from '../bench/result-file.ts';
import { chooseThreads } from '../model/model.ts';
import {
  describeComparison,
  describeDoubt,
  describeMachineLines,
  describeOps,
  describePeaks,
  describeRow,
  modelLegend,
} from './bench-report.ts';
import { interruptSignal } from './interrupt.ts';
import { integerAtLeast, integerBetween, numberBetween, rateList, threadsOption } from './options.ts';
import { ProgressLine } from './progress.ts';

interface CommonFlags {
  threads?: number;
  rounds: number;
  json?: string;
  compare?: string;
  threshold: number;
}

interface OpsFlags extends CommonFlags {
  model: OpModelName;
  precision: 'float32' | 'bf16';
  cold?: boolean;
}

interface ModelFlags extends CommonFlags {
  precision: 'float32' | 'bf16';
  rates?: number[];
  preset?: string;
  batch?: number;
  length?: number;
  vocabSize?: number;
}

export function benchCommand(): Command {
  const bench = new Command('bench')
    .summary('how fast this machine, each op and whole training steps are')
    .description(
      'Measures how fast this machine is, each op, and whole training steps with and without skipping. Everything is ' +
        'checked before it is timed, and what is compared takes turns.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  burgeon bench peak\n  burgeon bench ops attention\n  burgeon bench model a\n  burgeon bench ops norm --json before.json\n  burgeon bench ops norm --compare before.json',
    );
  for (const command of [peakCommand(), opsCommand(), modelCommand()]) {
    bench.addCommand(command.showHelpAfterError('(--help lists what there is)'));
  }
  return bench;
}

function peakCommand(): Command {
  return common(new Command('peak'), 5)
    .summary('fp32 and bf16 products, and memory copy')
    .description('Measures the most this machine can do: fp32 and bf16 products, and memory copy.')
    .action((flags: CommonFlags) =>
      run('peak', flags, async ({ threads, signal, onProgress }) => {
        const counts = threads === 1 ? [1] : [1, threads];
        const entries = await benchPeak({ threads: counts, rounds: flags.rounds, signal, onProgress });
        return entries && { entries, text: describePeaks(entries, flags.rounds) };
      }),
    );
}

function opsCommand(): Command {
  return common(new Command('ops'), 20)
    .summary('single ops at several rates of active heads or neurons')
    .description('Measures single ops at several rates of active heads or neurons, with the shapes of a model.')
    .argument('[op]', 'an op like mlp_forward, or the word that several begin with, like norm (default: all)')
    .addOption(
      new Option('--model <name>', 'model whose shapes are used')
        .choices(Object.keys(opModels))
        .default('small' satisfies OpModelName),
    )
    .addOption(precisionOption())
    .option('--cold', 'evict the caches before every repetition (default: warm)')
    .action((op: string | undefined, flags: OpsFlags) =>
      run('ops', flags, async (context) => {
        const settings = { ...flags, ...context, cold: flags.cold ?? false };
        const entries = await benchOps(op === undefined ? settings : { ...settings, op });
        return entries && { entries, text: describeOps(entries, settings) };
      }),
    );
}

function modelCommand(): Command {
  return common(new Command('model'), 11)
    .summary('whole training steps, dense and at the stages of EST')
    .description(
      'Measures whole optimizer steps: dense, and at the stages of EST, with one group and `freeze` and with the defaults. ' +
        'Rows: a 4 layers, width 128; b 6 layers, width 384; c as b, vocabulary 50304; d GPT-2 124M, T 256; e GPT-2 124M, ' +
        'T 1024.',
    )
    .argument('[rows]', 'letters of the rows to measure (default: a,b)')
    .addOption(precisionOption())
    .option('--rates <list>', 'also measure these rates of heads, neurons and layers alike, e.g. 0.75,0.25', rateList)
    .option('--preset <name>', 'measure a model preset instead of rows')
    .option('--batch <n>', 'with --preset: sequences per step (default: 4)', integerAtLeast(1))
    .option('--length <n>', 'with --preset: tokens per sequence (default: the context length)', integerAtLeast(1))
    .option(
      '--vocab-size <n>',
      `with --preset: vocabulary size (default: the preset's, or ${defaultVocabSize})`,
      integerAtLeast(1),
    )
    .action((letters: string | undefined, flags: ModelFlags, command: Command) => {
      if (flags.preset !== undefined && letters !== undefined) {
        command.error('error: --preset and rows exclude each other');
      }
      const shape = { batchSize: flags.batch, sequenceLength: flags.length, vocabSize: flags.vocabSize };
      if (flags.preset === undefined && Object.values(shape).some((value) => value !== undefined)) {
        command.error('error: --batch, --length and --vocab-size need --preset');
      }
      return run('model', flags, async (context) => {
        const rows =
          flags.preset === undefined ? modelRows(letters ?? 'a,b') : [presetRow(flags.preset, withoutUndefined(shape))];
        const results: RowResult[] = [];
        for (const row of rows) {
          const result = await benchModel(row, { ...flags, ...context });
          if (result === undefined) return undefined;
          results.push(result);
        }
        const texts = results.map((result) => describeRow(result, { ...flags, ...context }));
        return {
          entries: results.flatMap(({ row: { config, batchSize, sequenceLength }, entries, ...memory }) =>
            entries.map((entry) => ({ ...entry, ...memory, config, batchSize, sequenceLength })),
          ),
          text: `${texts.join('\n\n')}\n\n${modelLegend}`,
        };
      });
    });
}

/** The options that all three have. */
function common(command: Command, rounds: number): Command {
  return command
    .addOption(threadsOption())
    .option('--rounds <n>', 'timed repetitions', integerBetween(1, 10_000), rounds)
    .option('--json <file>', 'write machine, command and samples to a file')
    .option('--compare <file>', 'compare with a file of --json; exits with 1 where something became slower')
    .option(
      '--threshold <percent>',
      'with --compare: slower by more than this counts, unless the quartiles overlap',
      numberBetween(0, Infinity),
      10,
    );
}

const precisionOption = () =>
  new Option('--precision <name>', 'operands of products with weights').choices(['float32', 'bf16']).default('float32');

interface Context {
  threads: number;
  machine: Machine;
  signal: AbortSignal;
  onProgress: (text: string) => void;
}

/** Measures, prints, writes and compares; `measure` gives undefined when the signal stopped it. */
async function run<Entry extends BenchEntry>(
  bench: BenchName,
  flags: CommonFlags,
  measure: (context: Context) => Promise<{ entries: Entry[]; text: string } | undefined>,
): Promise<void> {
  requireRelease(loadAddon().path);
  // What is wrong with the files is told before minutes are spent.
  if (flags.json !== undefined) await access(path.dirname(path.resolve(flags.json)), constants.W_OK);
  const before = flags.compare === undefined ? undefined : await readBenchFile(flags.compare);
  const threads = chooseThreads(flags.threads);
  const progress = process.stderr.isTTY ? new ProgressLine() : undefined;
  const interrupt = interruptSignal(() =>
    process.stderr.write('\nstopping after this measurement; once more to stop at once\n'),
  );
  try {
    progress?.update(() => 'measuring the peak', true);
    const machine = await describeMachine(threads);
    const onProgress = (text: string) => progress?.update(() => text, true);
    const result = await measure({ threads, machine, signal: interrupt.signal, onProgress });
    progress?.clear();
    if (result === undefined) {
      console.error('stopped before the end; nothing was written');
      process.exitCode = interrupt.exitCode();
      return;
    }
    const content = benchFile(bench, machine, result.entries);
    console.log([`${result.text}\n`, describeMachineLines(machine), ...describeDoubt(result.entries)].join('\n'));
    if (flags.json !== undefined) {
      await writeBenchFile(flags.json, content);
      console.log(`\nwrote ${flags.json}`);
    }
    if (before === undefined) return;
    const threshold = flags.threshold / 100;
    const comparison = compareBenches(before, content, threshold, flags.compare!);
    console.log(`\n${describeComparison(comparison, flags.compare!, before.date.slice(0, 10), threshold)}`);
    if (comparison.hasRegression) process.exitCode = 1;
  } finally {
    progress?.clear();
    interrupt.release();
  }
}

/** For optional properties, which are absent rather than undefined. */
function withoutUndefined<Value extends object>(
  object: Value,
): { [Key in keyof Value]?: Exclude<Value[Key], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as never;
}
