// burgeon doctor: what this machine is, what was loaded and why, how fast it is, and whether it is fit to train. Pasteable into a
// bug report. Works where nothing else does: what fails is a row of the table, and the reason of the verdict.

import os from 'node:os';
import process from 'node:process';
import { Command } from 'commander';
import { findCuda } from '../addon/cuda.ts';
import { loadAddon } from '../addon/load.ts';
import { busyNote, measurePeak, type Peak } from '../addon/peak.ts';
import { addonRemedy } from '../addon/remedy.ts';
import { BurgeonError } from '../errors.ts';
import { Model } from '../model/model.ts';
import { chooseThreads } from '../model/native-options.ts';
import { packageVersion } from '../package.ts';
import { onStdout } from './colour.ts';
import { bytes, count, counted, facts } from './format.ts';
import { examineLauncher, type LauncherFacts, launcherText } from './launcher-row.ts';
import { threadsOption } from './options.ts';

export function doctorCommand(): Command {
  return new Command('doctor')
    .summary('whether this machine can train: versions, processor, speed, what was loaded')
    .description(
      'Reports versions, processor, measured peak and bandwidth, and what was loaded and why; then whether models can be ' +
        'trained here and what to type next. Exits with 1 where they cannot.',
    )
    .addOption(threadsOption())
    .option('--json', 'print as JSON')
    .action(async (flags: { threads?: number; json?: boolean }) => {
      const machine = describeMachine();
      const engine = await examine(flags.threads);
      if (engine.problem !== null) process.exitCode = 1;
      console.log(flags.json ? JSON.stringify(asJson(machine, engine), null, 2) : describe(machine, engine));
    });
}

function describeMachine() {
  return {
    burgeon: packageVersion,
    node: process.version,
    system: `${os.type()} ${os.release()} ${process.arch}`,
    processor: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    environment: Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('BURGEON_'))),
  };
}

type Machine = ReturnType<typeof describeMachine>;

interface Engine {
  threads: number | null;
  addon: { path: string; bestIsa: string } | null;
  /** What a model gets by default. */
  backend: { backend: string; isa: string; isaReason: string } | null;
  cuda: ReturnType<typeof findCuda> | null;
  peak: { one: Peak; all: Peak } | null;
  launcher: LauncherFacts;
  /** Why no model can be trained; null where one can. */
  problem: string | null;
  /** What to type next. */
  next: string;
}

const mended = 'npx burgeon doctor, once that is mended';

/** Goes as far as it can. */
async function examine(wanted: number | undefined): Promise<Engine> {
  const nothing = { threads: null, addon: null, backend: null, cuda: null, peak: null };
  const launcher = examineLauncher();
  const { problem } = launcher;
  const engine: Engine = { ...nothing, launcher, problem, next: problem === null ? 'npx burgeon init' : mended };
  try {
    const { path, binding } = loadAddon();
    engine.addon = { path, bestIsa: binding.bestIsa };
    const threads = chooseThreads(wanted);
    engine.threads = threads;
    engine.cuda = findCuda();
    engine.peak = { one: await measurePeak(1), all: await measurePeak(threads) };
    using probe = await Model.create({ preset: 'gpt2-tiny', vocabSize: 256 }, { threads });
    const { backend, isa, reason } = probe.info;
    engine.backend = { backend, isa, isaReason: reason };
  } catch (error) {
    if (!(error instanceof BurgeonError)) throw error;
    engine.problem = error.message;
    engine.next = engine.addon === null ? addonRemedy().command : mended;
  }
  return engine;
}

function asJson(machine: Machine, { threads, addon, backend, cuda, peak, launcher, problem, next }: Engine) {
  return {
    ...machine,
    threads,
    addon: addon?.path ?? null,
    bestIsa: addon?.bestIsa ?? null,
    ...(backend ?? { backend: null, isa: null, isaReason: problem }),
    cuda,
    peakFlopsPerSecond: peak && { oneThread: peak.one.flopsPerSecond, allThreads: peak.all.flopsPerSecond },
    processorShare: peak?.all.processorShare ?? null,
    copyBytesPerSecond: peak && { oneThread: peak.one.bytesPerSecond, allThreads: peak.all.bytesPerSecond },
    launcher,
    ready: problem === null,
    problem,
    next,
  };
}

function describe(machine: Machine, engine: Engine): string {
  const { threads, addon, backend, cuda, peak, launcher, problem, next } = engine;
  const { environment } = machine;
  const [reason = '', ...details] = (problem ?? '').split('\n');
  const attempts = details.filter((line) => line.startsWith(' ')).map((line) => line.trim());
  const rows: [string, string][] = [
    ['burgeon', machine.burgeon],
    ['node', machine.node],
    ['system', machine.system],
    ['processor', `${machine.processor}, ${counted(machine.cores, 'core')} available`],
    ['memory', bytes(machine.memoryBytes)],
    ...(addon === null
      ? attempts.map((attempt, i): [string, string] => [i === 0 ? 'addon' : '', attempt])
      : [['addon', addon.path] as [string, string]]),
    ['backend', backend === null ? 'none' : `${backend.backend}, ${backend.isa}: ${backend.isaReason}`],
    ...(cuda === null ? [] : [['cuda', describeCuda(cuda)] as [string, string]]),
    ...(threads === null ? [] : [['threads', String(threads)] as [string, string]]),
    ...(peak === null || threads === null ? [] : peakRows(peak, threads)),
    ['launcher', launcherText(launcher)],
    [
      'environment',
      Object.entries(environment)
        .map(([name, value]) => `${name}=${value}`)
        .join(' ') || 'no BURGEON_ variables',
    ],
  ];
  const verdict =
    backend === null || problem !== null
      ? onStdout.bad(`not ready: ${reason.replace(/:$/, '')}`)
      : onStdout.good(`ready: trains on ${backend.backend} (${backend.isa}), ${counted(threads ?? 0, 'thread')}`);
  return [facts(rows, ''), '', verdict, `next: ${onStdout.command(next)}`].join('\n');
}

function peakRows({ one, all }: { one: Peak; all: Peak }, threads: number): [string, string][] {
  const both = (of: (peak: Peak) => number, unit: string) =>
    `${count(of(one))}${unit} on 1 thread, ${count(of(all))}${unit} on ${threads}`;
  const busy = busyNote(all);
  return [
    ['fp32 peak', both((peak) => peak.flopsPerSecond, 'FLOP/s')],
    ['bf16 peak', both((peak) => peak.bf16FlopsPerSecond, 'FLOP/s')],
    ...(busy === undefined ? [] : [['busy', busy] as [string, string]]),
    ['memory copy', `${both((peak) => peak.bytesPerSecond, 'B/s')} (read + written)`],
  ];
}

function describeCuda(cuda: ReturnType<typeof findCuda>): string {
  if ('notUsed' in cuda) return `not used: ${cuda.notUsed}`;
  const devices = cuda.devices.map(
    ({ name, memoryBytes, capability }, i) =>
      `cuda:${i} ${name}, ${bytes(memoryBytes)}, compute capability ${capability}`,
  );
  return `${devices.join('; ')} (library built with ${cuda.toolkit} for ${cuda.architectures}); products by ${cuda.products}; between devices by ${cuda.nccl}`;
}
