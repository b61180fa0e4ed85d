// burgeon bench: how fast this machine is, each op, and whole steps; as tables, as a file, and against an earlier file.

import { access, constants, stat } from 'node:fs/promises';
import path from 'node:path';
import { Command, Option } from 'commander';
import { cudaLibraryPath } from '../addon/cuda.ts';
import { loadAddon } from '../addon/load.ts';
import { modelPage, opsPage, type PageHead, peakPage, ranksPage } from '../bench/bench-page.ts';
import { compareBenches } from '../bench/compare.ts';
import { describeMachine, type Machine, requireRelease } from '../bench/machine.ts';
import { benchModel, type RowResult } from '../bench/model-bench.ts';
import {
  defaultModelRows,
  defaultVocabSize,
  type ModelRow,
  modelRows,
  presetRow,
  tinyModelRow,
} from '../bench/model-rows.ts';
import { benchOps, type OpEntry } from '../bench/op-bench.ts';
import { defaultOpModel, type OpModelName, opModels } from '../bench/op-shapes.ts';
import type { BenchPageData } from '../bench/page-data.ts';
import { benchDevicePeak, benchPeak } from '../bench/peak-bench.ts';
import { benchRanks, type RankRow } from '../bench/rank-bench.ts';
import { type BenchEntry, type BenchName, benchFile, readBenchFile, writeBenchFile } from '../bench/result-file.ts';
import { isCuda, runsOnHost, type Target, targetOf } from '../bench/target.ts';
import { writeBenchPage } from '../bench/write-page.ts';
import type { Device } from '../config/device.ts';
import { BurgeonError } from '../errors.ts';
import { explainWriting } from '../files/explain-writing.ts';
import { chooseThreads } from '../model/native-options.ts';
import { type OptimizerType, optimizerTypes } from '../optim/optimizer.ts';
import { requirePage } from '../report/write-report.ts';
import {
  describeComparison,
  describeDoubt,
  describeMachineLines,
  describeOps,
  describePeaks,
  describeRankRow,
  describeRow,
  machineFacts,
  modelLegend,
  ranksLegend,
} from './bench-report.ts';
import { interruptSignal } from './interrupt.ts';
import {
  deviceOption,
  integerAtLeast,
  integerBetween,
  numberBetween,
  ranksOption,
  rateList,
  threadsOption,
} from './options.ts';
import { ProgressLine } from './progress.ts';

interface CommonFlags {
  device?: Device;
  threads?: number;
  tiny?: boolean;
  rounds: number;
  json?: string;
  html?: string;
  compare?: string;
  threshold: number;
}

interface OpsFlags extends CommonFlags {
  model?: OpModelName;
  vocabSize?: number;
  precision?: 'float32' | 'bf16';
  cold?: boolean;
}

interface ModelFlags extends CommonFlags {
  precision?: 'float32' | 'bf16';
  optimizer?: OptimizerType;
  rates?: number[];
  preset?: string;
  batch?: number;
  length?: number;
  vocabSize?: number;
}

interface RanksFlags extends CommonFlags {
  ranks: number;
  precision?: 'float32' | 'bf16';
}

export function benchCommand(): Command {
  const bench = new Command('bench')
    .summary('how fast this machine or a device, each op and whole training steps are')
    .description(
      'Measures how fast this machine or a CUDA device is, each op, and whole training steps with and without skipping. ' +
        'Everything is checked before it is timed, and what is compared takes turns.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  burgeon bench peak\n  burgeon bench ops attention\n  burgeon bench model a\n  burgeon bench ranks a\n  burgeon bench ops norm --json before.json\n  burgeon bench ops norm --compare before.json\n  burgeon bench ops --html ops.html',
    );
  for (const command of [peakCommand(), opsCommand(), modelCommand(), ranksCommand()]) {
    bench.addCommand(command.showHelpAfterError('(--help lists what there is)'));
  }
  return bench;
}

function peakCommand(): Command {
  return withCommonOptions(new Command('peak'), 5)
    .summary('fp32 and bf16 products, and memory copy')
    .description('Measures the most this machine or a device can do: fp32 and bf16 products, and memory copy.')
    .action((flags: CommonFlags) =>
      run('peak', flags, async ({ target, isTiny, signal, onProgress }) => {
        const { threads } = target;
        const options = { rounds: flags.rounds, signal, onProgress };
        const entries = isCuda(target)
          ? await benchDevicePeak(target, { ...options, isTiny })
          : await benchPeak({ ...options, threads: threads === 1 ? [1] : [1, threads] });
        return (
          entries && {
            entries,
            text: describePeaks(entries, flags.rounds),
            page: (head) => peakPage(entries, flags.rounds, head),
          }
        );
      }),
    );
}

function opsCommand(): Command {
  return withCommonOptions(new Command('ops'), 20)
    .summary('single ops at several rates of active heads or neurons')
    .description('Measures single ops at several rates of active heads or neurons, with the shapes of a model.')
    .argument('[op]', 'an op like mlp_forward, or the word that several begin with, like norm (default: all)')
    .addOption(
      new Option(
        '--model <name>',
        `model whose shapes are used (default: ${defaultOpModel(false)}; of a CUDA device ${defaultOpModel(true)})`,
      ).choices(Object.keys(opModels)),
    )
    .option('--vocab-size <n>', "vocabulary size (default: the model's)", integerAtLeast(1))
    .addOption(precisionOption())
    .option('--cold', 'evict the caches before every repetition (default: warm; with --html both)')
    .action((op: string | undefined, flags: OpsFlags) =>
      run('ops', flags, async (context) => {
        const model = flags.model ?? (context.isTiny ? 'tiny' : defaultOpModel(isCuda(context.target)));
        const asked = withoutUndefined({ op, vocabSize: flags.vocabSize });
        const settings = { ...common(flags, context), model, ...asked };
        // A page shows both, unless only one was asked for.
        const kinds = flags.html !== undefined && !flags.cold ? [false, true] : [flags.cold ?? false];
        const measured: { cold: boolean; entries: OpEntry[] }[] = [];
        for (const cold of kinds) {
          const entries = await benchOps({ ...settings, cold });
          if (entries === undefined) return undefined;
          measured.push({ cold, entries });
        }
        const entries = measured.flatMap((each) => each.entries);
        return {
          entries,
          text: measured.map(({ cold, entries }) => describeOps(entries, { ...settings, cold })).join('\n\n'),
          page: (head) => opsPage(entries, settings, head),
        };
      }),
    );
}

function modelCommand(): Command {
  return withCommonOptions(new Command('model'), 11)
    .summary('whole training steps, dense and at the stages of EST')
    .description(
      'Measures whole optimizer steps: dense, and at the stages of EST, with one group and `freeze` and with the defaults. ' +
        'Rows: a 4 layers, width 128; b 6 layers, width 384; c as b, vocabulary 50304; d GPT-2 124M, 4 x 256 tokens; e GPT-2 ' +
        '124M, 1 x 1024; f GPT-2 124M, 64 x 1024; g TinyLlama 1.1B, 16 x 2048; h as f, vocabulary 50257.',
    )
    .argument(
      '[rows]',
      `letters of the rows to measure (default: ${defaultModelRows(false)}; of a CUDA device ${defaultModelRows(true)})`,
    )
    .addOption(precisionOption())
    .addOption(
      new Option('--optimizer <type>', 'what updates the matrices of layers (default: adamw)').choices(optimizerTypes),
    )
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
          flags.preset === undefined ? rowsOf(letters, context) : [presetRow(flags.preset, withoutUndefined(shape))];
        const { rates, optimizer } = flags;
        const settings = { ...common(flags, context), ...withoutUndefined({ rates, optimizer }) };
        const results: RowResult[] = [];
        for (const row of rows) {
          const result = await benchModel(row, settings);
          if (result === undefined) return undefined;
          results.push(result);
        }
        const texts = results.map((result) => describeRow(result, settings));
        return {
          entries: results.flatMap(({ row: { config, batchSize, sequenceLength }, entries, ...ofRow }) =>
            entries.map((entry) => ({ ...entry, ...ofRow, config, batchSize, sequenceLength })),
          ),
          text: `${texts.join('\n\n')}\n\n${modelLegend}`,
          page: (head) => modelPage(results, settings.precision, head),
        };
      });
    });
}

function ranksCommand(): Command {
  return withResultOptions(new Command('ranks'), 11)
    .summary('the same training steps by one process and by several')
    .description(
      'Measures the same optimizer steps by one process and by several that train together (`train --ranks`), with as many ' +
        'threads in all: how long they take, how much of it is the exchange of gradients, and the bytes that are sent.',
    )
    .argument('[rows]', `letters of the rows of \`bench model\` (default: ${defaultModelRows(false)})`)
    .addOption(ranksOption('processes that train together').default(2))
    .addOption(precisionOption())
    .action((letters: string | undefined, flags: RanksFlags, command: Command) => {
      if (flags.ranks === 1) command.error('error: --ranks: one process is measured anyway, give 2 or more');
      return run('ranks', { ...flags, device: 'cpu' }, async (context) => {
        const { target, signal, onProgress } = context;
        const { precision } = common(flags, context);
        const { ranks, rounds } = flags;
        const settings = { ranks, rounds, precision, threads: target.threads, signal, onProgress };
        const results: RankRow[] = [];
        for (const row of rowsOf(letters, context)) {
          const result = await benchRanks(row, settings);
          if (result === undefined) return undefined;
          results.push(result);
        }
        const texts = results.map((result) => describeRankRow(result, settings));
        return {
          entries: results.flatMap(({ row: { config, batchSize, sequenceLength }, microBatches, entries }) =>
            entries.map((entry) => ({ ...entry, config, batchSize, sequenceLength, microBatches })),
          ),
          text: `${texts.join('\n\n')}\n\n${ranksLegend}`,
          page: (head) => ranksPage(results, precision, head),
        };
      });
    });
}

/** The rows named, else the tiny one or the target's own. */
function rowsOf(letters: string | undefined, { target, isTiny }: Context): ModelRow[] {
  if (letters === undefined && isTiny) return [tinyModelRow];
  return modelRows(letters ?? defaultModelRows(isCuda(target)));
}

/** What ops and models are measured with. */
function common(flags: OpsFlags | ModelFlags | RanksFlags, { target, ...context }: Context) {
  const precision = flags.precision ?? (isCuda(target) ? 'bf16' : 'float32');
  return { ...target, ...context, precision, rounds: flags.rounds };
}

/** The options of what is measured on the processor or a device. */
function withCommonOptions(command: Command, rounds: number): Command {
  return withResultOptions(command.addOption(deviceOption()), rounds);
}

/** The options that all have. */
function withResultOptions(command: Command, rounds: number): Command {
  return command
    .addOption(threadsOption())
    .option('--tiny', 'shapes that kernels of CUDA take when they run on the host: shows that everything works')
    .option('--rounds <n>', 'timed repetitions', integerBetween(1, 10_000), rounds)
    .option('--json <file>', 'write machine, command and samples to a file')
    .option('--html <file>', 'write a page: what each op is bound by and why, and whether the machine was quiet')
    .option('--compare <file>', 'compare with a file of --json; exits with 1 where something became slower')
    .option(
      '--threshold <percent>',
      'with --compare: slower by more than this counts, unless the quartiles overlap',
      numberBetween(0, Infinity),
      10,
    );
}

const precisionOption = () =>
  new Option(
    '--precision <name>',
    'activations and operands of products (default: float32; of a CUDA device bf16)',
  ).choices(['float32', 'bf16']);

interface Context {
  target: Target;
  isTiny: boolean;
  machine: Machine;
  signal: AbortSignal;
  onProgress: (text: string) => void;
}

/** Where a file is, it has to be one of --json: a slip of the keyboard is not to cost another. */
async function requireReplaceable(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile() && found.size > 0) await readBenchFile(file);
}

interface Measured<Entry> {
  entries: Entry[];
  text: string;
  page: (head: PageHead) => BenchPageData;
}

/** Measures, prints, writes and compares; `measure` gives undefined when the signal stopped it. */
async function run<Entry extends BenchEntry>(
  bench: BenchName,
  flags: CommonFlags,
  measure: (context: Context) => Promise<Measured<Entry> | undefined>,
): Promise<void> {
  requireRelease(loadAddon().path);
  // What is wrong with the files is told before minutes are spent.
  for (const [file, what] of [
    [flags.json, 'the result'],
    [flags.html, 'the page'],
  ] as const) {
    if (file === undefined) continue;
    const directory = path.dirname(path.resolve(file));
    await explainWriting(`${file} (${what})`, 'nothing was measured', () => access(directory, constants.W_OK));
  }
  if (flags.json !== undefined) await requireReplaceable(flags.json);
  if (flags.html !== undefined) await requirePage(flags.html);
  const before = flags.compare === undefined ? undefined : await readBenchFile(flags.compare);
  const target = targetOf(flags.device, chooseThreads(flags.threads));
  const isTiny = flags.tiny ?? false;
  if (!isTiny && runsOnHost(target)) {
    throw new BurgeonError(
      'ERR_BURGEON_CUDA',
      `bench: the kernels of ${cudaLibraryPath()} run on the host, which would take hours; give --tiny, or --device cpu`,
    );
  }
  const progress = process.stderr.isTTY ? new ProgressLine() : undefined;
  const interrupt = interruptSignal(() =>
    process.stderr.write('\nstopping after this measurement; once more to stop at once\n'),
  );
  try {
    progress?.update(() => 'measuring the peak', true);
    const machine = await describeMachine(target, isTiny);
    const onProgress = (text: string) => progress?.update(() => text, true);
    const result = await measure({ target, isTiny, machine, signal: interrupt.signal, onProgress });
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
    if (flags.html !== undefined) {
      const { command, date: written } = content;
      const warnings = describeDoubt(result.entries, (text) => text);
      const head = { command, written, machine: machineFacts(machine), warnings, host: machine };
      await writeBenchPage(flags.html, result.page(head));
      console.log(`\nwrote ${flags.html}`);
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
