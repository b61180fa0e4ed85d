// burgeon train: runs a configuration, shows how it goes, and says what came of it.

import path from 'node:path';
import { Command } from 'commander';
import { busyNote } from '../addon/peak.ts';
import { overriddenKeys } from '../config/config-file.ts';
import type { Device } from '../config/device.ts';
import { BurgeonError } from '../errors.ts';
import { planSchedule } from '../est/plan.ts';
import { Schedule } from '../est/schedule.ts';
import type { Communicator } from '../ranks/communicator.ts';
import { type BaselineGain, baselineGainRows, gainAgainst, readBaseline } from '../report/baseline-gain.ts';
import type { RunData } from '../report/run-data.ts';
import { reportFileName } from '../report/write-report.ts';
import { fewerRanks, requireShares } from '../train/lead.ts';
import { loadTrainConfig } from '../train/load-train-config.ts';
import { RunControl } from '../train/run-control.ts';
import type { RunSummary } from '../train/summary.ts';
import { type TrainConfig, trainConfigKeys } from '../train/train-config.ts';
import { type StepRecord, Trainer } from '../train/trainer.ts';
import { onStderr, onStdout } from './colour.ts';
import { EtaClock } from './eta-clock.ts';
import { count, counted, duration, facts, percent, small } from './format.ts';
import { interruptSignal } from './interrupt.ts';
import { configArgumentHelp, deviceOption, integerBetween, ranksOption, setOption } from './options.ts';
import { planOptions } from './plan-subject.ts';
import { ProgressLine } from './progress.ts';
import { problemOfReport } from './report-problem.ts';
import { readManifestFor } from './templates.ts';
import { runProfile } from './train-profile.ts';
import {
  enterRank,
  gpusOption,
  launcherNote,
  rankFlagsProblem,
  requireGpus,
  restartsOption,
  runRank,
  startRanks,
} from './train-ranks.ts';
import { defaultPort, openWatchers, type WatchFlags } from './train-watchers.ts';

interface TrainFlags extends WatchFlags {
  set: string[];
  device?: Device;
  initFrom?: string;
  resume?: boolean;
  autoResume?: boolean;
  overwrite?: boolean;
  profile?: number;
  ranks?: number;
  gpus?: number;
  restarts?: number;
  quiet?: boolean;
  json?: boolean;
}

export function trainCommand(): Command {
  return new Command('train')
    .summary('pretrain a model from a configuration')
    .description(
      'Pretrains a model from a configuration. Ctrl-C stops after the current step with a checkpoint; --resume goes ' +
        'on from there with exactly the same result as if nothing had happened.',
    )
    .argument('<config>', configArgumentHelp)
    .addOption(setOption())
    .addOption(deviceOption())
    .addOption(
      ranksOption(
        'train by n processes on this machine, each with its share of the cores; the result has the same bits',
      ),
    )
    .addOption(gpusOption())
    .addOption(restartsOption())
    .option('--init-from <model>', 'start from the weights of this model, with a fresh optimizer (sets initFrom)')
    .option(
      '--resume',
      'continue the newest checkpoint in the output directory; with --set steps=N and the like, go on with other values',
    )
    .option(
      '--auto-resume',
      'as --resume where there is a checkpoint, else start anew: for jobs that are started again',
    )
    .option('--overwrite', 'replace the run in the output directory, once the new one has a checkpoint')
    .option(
      '--dashboard [port]',
      `serve a live page on this machine, with buttons to pause, save and stop (default port: ${defaultPort}; 0: any free one)`,
      integerBetween(0, 65_535),
    )
    .option(
      '--host <address>',
      'with --dashboard: serve it beyond this machine, to those who have the address with its token',
    )
    .option('--tensorboard', 'also write event files for TensorBoard into the output directory')
    .option(
      '--profile <n>',
      'instead of training: time n steps of every stage by op and phase; writes a table and a trace into the output directory',
      integerBetween(1, 10_000),
    )
    .option('--quiet', 'print the summary only')
    .option('--json', 'print one JSON record per step, and the summary as the last line, to standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  burgeon train shakespeare-char\n  burgeon train shakespeare-char --set seed=2 --set output=runs/seed2\n  burgeon train shakespeare-char --init-from runs/seed2 --set output=runs/tuned\n  burgeon train shakespeare-char --resume\n  burgeon train shakespeare-char --profile 5',
    )
    .addHelpText(
      'after',
      '\nA file with `extends: other.yaml` (relative to itself) lies over that file: sections merge key by key, lists and\nplain values replace, an empty value leaves the key out.',
    )
    .addHelpText('after', () => `\nKeys of the configuration:\n${describeKeys()}`)
    .action(async (file: string, flags: TrainFlags, command: Command) => {
      const starts = [
        flags.resume && '--resume',
        flags.autoResume && '--auto-resume',
        flags.overwrite && '--overwrite',
      ];
      const given = starts.filter(Boolean);
      if (given.length > 1) command.error(`error: ${given.join(' and ')} exclude each other`);
      if (flags.host !== undefined && flags.dashboard === undefined) command.error('error: --host needs --dashboard');
      const problem = rankFlagsProblem(flags);
      if (problem !== undefined) command.error(`error: ${problem}`);
      await runTraining(file, flags);
    });
}

async function runTraining(file: string, flags: TrainFlags): Promise<void> {
  const place = enterRank(flags);
  // Quoted as JSON, which is YAML: a path may hold anything.
  const initFrom = flags.initFrom === undefined ? [] : [`initFrom=${JSON.stringify(flags.initFrom)}`];
  const word = flags.gpus === undefined ? flags.device : 'cuda';
  const device = word === undefined ? [] : [`device=${JSON.stringify(word)}`];
  const set = [...flags.set, ...initFrom, ...device];
  const given = await loadTrainConfig(file, { set, resume: (flags.resume || flags.autoResume) ?? false });
  if (given.data.directory !== undefined) await readManifestFor(file, given.data.directory);
  if (flags.profile !== undefined) {
    await runProfile(given, flags.profile, flags);
    return;
  }
  // Not before the configuration is known to be right: it would be refused by every rank.
  const ranks = place?.size ?? flags.gpus ?? flags.ranks ?? 1;
  if (place === undefined && flags.gpus !== undefined) requireGpus(flags.gpus);
  requireShares(given, { rank: 0, size: ranks });
  if (place === undefined && ranks > 1)
    await startRanks(ranks, { restarts: flags.restarts, fewer: (all) => fewerRanks(given, all) });
  else if (place === undefined) await trainOn(given, set, flags);
  else await runRank(place, (communicator) => trainOn(given, set, flags, communicator));
}

/** From the output directory to the summary. */
async function trainOn(
  given: TrainConfig,
  set: readonly string[],
  flags: TrainFlags,
  communicator?: Communicator,
): Promise<void> {
  const baseline = given.baseline === undefined ? undefined : await readBaseline(given.baseline);
  const progress = new ProgressLine();
  const say = (text: string) => {
    if (!flags.quiet && !flags.json) progress.print(text);
  };
  const interrupt = interruptSignal(() => progress.print('stopping, with a checkpoint; once more to stop at once'));
  const control = new RunControl(interrupt.signal);
  const onNote = (note: string) => progress.print(onStderr.note(note));
  for (const note of [
    launcherNote(flags.gpus ?? flags.ranks) ?? [],
    baseline?.flatMap(({ damage }) => damage) ?? [],
  ].flat())
    onNote(note);
  const watchers = await openWatchers(flags, given, control, onNote);
  if (watchers.url !== undefined) progress.print(`live page: ${watchers.url}`);
  const trainer = new Trainer(given, {
    changes: overriddenKeys(set),
    start: flags.resume ? 'resume' : flags.autoResume ? 'auto' : flags.overwrite ? 'overwrite' : 'new',
    communicator,
    signal: control.signal,
    bigramBaseline: true,
    onNote,
    onLine: watchers.onLine,
  });
  try {
    await trainer.open();
    const { config } = trainer;
    say(opening(trainer, communicator?.size));
    const { model } = trainer;
    const plan = planSchedule(model.config, new Schedule(config.est.schedule, config.steps), planOptions({ config }));
    const eta = new EtaClock(plan, trainer.step);
    await watchers.watch(trainer, () => eta.remainingMs(trainer.step));
    try {
      for await (const record of trainer.run()) {
        eta.stepDone();
        if (flags.json) console.log(JSON.stringify(record));
        else if (!flags.quiet) showStep(record, config, progress, eta);
        await eta.without(() => control.betweenSteps(trainer));
      }
    } catch (error) {
      await reportFailure(error, config.output, onNote);
      throw error;
    }
    progress.clear();
    const { summary } = trainer;
    const report = summary.steps === 0 ? undefined : path.join(config.output, reportFileName);
    const reportProblem = report && (await problemOfReport([config.output], report, onNote));
    const gain = baseline && trainer.isComplete ? await toldGain(baseline, config.output) : undefined;
    if (flags.json) console.log(JSON.stringify({ summary, report, reportProblem, gain }));
    else console.log(describeSummary(summary, config, { isComplete: trainer.isComplete, report, reportProblem, gain }));
    const lacksBaseline = summary.bigramLoss === null && summary.validationLoss !== null;
    if (!trainer.isComplete || (interrupt.signal.aborted && lacksBaseline))
      process.exitCode = interrupt.exitCode(control.signal.aborted ? 'SIGINT' : 'SIGTERM');
  } finally {
    progress.clear();
    try {
      await trainer.close();
    } finally {
      // Also then: a page that goes on being served keeps the process alive.
      await watchers.close();
      interrupt.release();
    }
  }
}

/** The report of a run that an error ended, where there is a run to report on and its directory is still its own. */
async function reportFailure(error: unknown, output: string, onNote: (note: string) => void): Promise<void> {
  if (error instanceof BurgeonError && error.code === 'ERR_BURGEON_BUSY') return;
  const file = path.join(output, reportFileName);
  if ((await problemOfReport([output], file)) === undefined) onNote(`report of the failed run: ${file}`);
}

/** The compute gain, or why there is none: what was trained is complete either way. */
async function toldGain(baseline: readonly RunData[], output: string): Promise<BaselineGain | { reason: string }> {
  try {
    return await gainAgainst(baseline, output);
  } catch (error) {
    return { reason: (error as Error).message.split('\n')[0]!.replace(/:$/, '') };
  }
}

/** Every key with its default and meaning. */
function describeKeys(): string {
  return trainConfigKeys
    .map(
      ({ key, description, default: fallback }) =>
        `  ${key}${fallback === undefined ? '' : ` = ${fallback}`}\n      ${description}`,
    )
    .join('\n');
}

function opening(trainer: Trainer, ranks = 1): string {
  const { model, config, peak } = trainer;
  const { backend, isa, threads, reason, links } = model.info;
  const peakText = peak === null ? '' : `, peak ${count(peak.flopsPerSecond)}FLOP/s`;
  const inEach = ranks === 1 ? '' : ` in each of ${ranks} ranks`;
  const between = ranks === 1 ? '' : `; ${ranks} ranks, gradients ${links ? `by ${links}` : 'through the host'}`;
  const engine =
    backend === 'cuda' ? `${isa}: ${reason}${between}` : `${isa}, ${counted(threads, 'thread')}${peakText}${inEach}`;
  const size = model.tensorNames.reduce((sum, name) => sum + model.shape(name).reduce((a, b) => a * b, 1), 0);
  const busy = peak && busyNote(peak);
  const lines = [
    ...(busy ? [onStderr.note(busy)] : []),
    `training ${count(size)} parameters for ${counted(config.steps, 'step')} on ${backend} (${engine}) in ${config.output}`,
  ];
  if (trainer.step > 0) lines.push(`resumed after step ${trainer.step}`);
  else if (config.initFrom !== undefined) lines.push(`starting from the weights of ${config.initFrom}`);
  const { initialValidationLoss } = trainer.summary;
  if (trainer.step === 0 && initialValidationLoss !== null) {
    lines.push(`held-out loss at the start: ${initialValidationLoss.toFixed(4)} nats per token`);
  }
  return lines.join('\n');
}

function showStep(record: StepRecord, config: TrainConfig, progress: ProgressLine, eta: EtaClock): void {
  const { step, stage, active } = record;
  if (record.validation) {
    const { loss, bitsPerByte } = record.validation;
    // Tokens of two tokenizers cannot be compared; bytes can.
    const inBits = bitsPerByte === null ? '' : ` (${bitsPerByte.toFixed(4)} bits per byte)`;
    progress.print(
      `step ${step}: held-out loss ${onStderr.title(loss.toFixed(4))} nats per token${inBits}, training loss ${record.loss.toFixed(4)}`,
    );
  }
  if (record.sample !== undefined) progress.print(`step ${step}: sample\n${onStderr.aside(record.sample)}\n`);
  // The most wanted first: a narrow terminal shows the beginning of the line.
  progress.update(() => {
    const left = eta.remainingMs(step);
    return [
      `step ${step}/${config.steps}`,
      `loss ${record.loss.toFixed(3)}`,
      left === null ? '' : `ETA ${duration(left)}`,
      `${count(record.tokensPerSecond)} tok/s`,
      record.mfu === null ? '' : `MFU ${percent(record.mfu, 0)}`,
      `lr ${small(record.learningRate)}`,
      `stage ${stage} (${counted(active.layers, 'layer')}, ${counted(active.heads, 'head')}, ${counted(active.neurons, 'neuron')})`,
    ]
      .filter((part) => part !== '')
      .join('  ');
  });
}

interface Outcome {
  isComplete: boolean;
  report?: string | undefined;
  /** Why it is not there. */
  reportProblem?: string | undefined;
  /** Where the configuration has a baseline. */
  gain?: BaselineGain | { reason: string } | undefined;
}

/** The summary as text. */
export function describeSummary(
  summary: RunSummary,
  config: TrainConfig,
  { isComplete, report, reportProblem, gain }: Outcome,
): string {
  if (summary.steps === 0) {
    return `stopped before the first of ${counted(config.steps, 'step')}, no checkpoint to continue from; start again`;
  }
  const loss = (value: number | null) => (value === null ? 'not measured' : value.toFixed(4));
  const when = isComplete ? 'now' : 'at the last evaluation';
  const rows: [string, string][] = [
    [
      'held-out loss',
      `${loss(summary.initialValidationLoss)} at the start, ${loss(summary.validationLoss)} ${when}${summary.bigramLoss === null ? '' : `, bigram baseline ${loss(summary.bigramLoss)}`} (nats per token${summary.bitsPerByte === null ? '' : `; ${loss(summary.bitsPerByte)} bits per byte ${when}`})`,
    ],
  ];
  for (const stage of summary.stages) {
    rows.push([
      `stage ${stage.stage}`,
      `${counted(stage.steps, 'step')}, ${duration(stage.ms)}, ${(stage.ms / stage.steps).toFixed(1)} ms per step, ${percent(stage.blockFlops / stage.denseBlockFlops)} of the dense block FLOPs`,
    ]);
  }
  rows.push(
    [
      'block FLOPs',
      `${count(summary.blockFlops)}FLOP executed, dense ${count(summary.denseBlockFlops)}FLOP: ${percent(summary.blockSaving)} saved`,
    ],
    [
      'all FLOPs',
      `${count(summary.allFlops)}FLOP executed, dense ${count(summary.denseAllFlops)}FLOP: ${percent(summary.allSaving)} saved`,
    ],
    [
      'training time',
      summary.denseStepMs === null || summary.timeSaving === null
        ? `${duration(summary.trainMs)}; no dense step in this run to compare with`
        : `${duration(summary.trainMs)}; all steps at the dense rate of this run (${summary.denseStepMs.toFixed(1)} ms) would take ${duration(summary.trainMs / (1 - summary.timeSaving))}: ${percent(Math.abs(summary.timeSaving))} ${summary.timeSaving < 0 ? 'lost' : 'saved'}`,
    ],
  );
  if (gain !== undefined)
    rows.push(
      ...('reason' in gain
        ? [['compute gain', `not told: ${gain.reason}`] as [string, string]]
        : baselineGainRows(gain)),
    );
  if (reportProblem !== undefined) {
    rows.push(['report', `${reportProblem}; \`burgeon report ${config.output} -o FILE\` writes one`]);
  } else if (report !== undefined) rows.push(['report', report]);
  const head = isComplete
    ? onStdout.good(`trained ${counted(summary.steps, 'step')}, ${count(summary.tokens)} tokens, in ${config.output}`)
    : onStdout.warning(
        `stopped after step ${summary.steps} of ${config.steps}, checkpoint in ${config.output}; continue with --resume`,
      );
  return `${head}\n${facts(rows)}`;
}
