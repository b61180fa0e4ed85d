// burgeon train by several processes: starts them on this machine (--ranks), or makes this one ready to be one of them.

import process from 'node:process';
import { Option } from 'commander';
import { findCuda } from '../addon/cuda.ts';
import type { Device } from '../config/device.ts';
import { BurgeonError, isError } from '../errors.ts';
import { counted } from '../format.ts';
import { Communicator } from '../ranks/communicator.ts';
import { endWithLauncher } from '../ranks/end-with-launcher.ts';
import { detectRank, forgottenLauncher } from '../ranks/environment.ts';
import { type LaunchOptions, launchRanks } from '../ranks/launch.ts';
import { mpiLibraryPath } from '../ranks/mpi.ts';
import { cudaDeviceVariable, describeRank, type RankPlace } from '../ranks/place.ts';
import { threadsOfRank } from '../ranks/threads.ts';
import { rankWaits } from '../ranks/waits.ts';
import { follow } from '../train/follow.ts';
import { interruptSignal } from './interrupt.ts';
import { integerBetween, ranksOption } from './options.ts';

export const restartsOption = () =>
  new Option(
    '--restarts <n>',
    'with --ranks or --gpus: where a rank is lost, start all again from the newest checkpoint, n times at most; where the same is lost twice running, fewer',
  ).argParser(integerBetween(1, 1000));

export const gpusOption = () =>
  ranksOption(
    'train by n CUDA devices of this machine, each with a process of its own: as --ranks and --device cuda',
    1024,
    'gpus',
  );

interface RankFlags {
  ranks?: number;
  gpus?: number;
  device?: Device;
  restarts?: number;
  profile?: number;
  overwrite?: boolean;
}

/**
 * This process as one of several, undefined where it is alone; what it needs for that is set.
 * @throws {BurgeonError} ERR_BURGEON_CONFIG as `detectRank`, and for options that want a process of its own.
 */
export function enterRank(flags: RankFlags): RankPlace | undefined {
  const place = detectRank();
  if (place === undefined) return undefined;
  const refuse = (option: string, remedy: string) => {
    const message = `${option}: expected a process of its own, but this is ${describeRank(place)}; ${remedy}`;
    throw new BurgeonError('ERR_BURGEON_CONFIG', message);
  };
  if (flags.profile !== undefined) refuse(`--profile ${flags.profile}`, 'start it without that launcher');
  if (place.launcher === 'burgeon') endWithLauncher();
  else {
    for (const name of ['ranks', 'gpus'] as const) {
      if (flags[name] !== undefined)
        refuse(`--${name} ${flags[name]}`, `leave --${name} away, that launcher decides how many ranks there are`);
    }
  }
  process.env.BURGEON_THREADS ||= String(threadsOfRank(place.localSize));
  process.env[cudaDeviceVariable] ||= String(place.localRank);
  return place;
}

/** What to say where a launcher was forgotten. @param wanted --ranks, which is one. */
export const launcherNote = (wanted: number | undefined) => (wanted === undefined ? forgottenLauncher() : undefined);

/** Why options do not go together; undefined where they do. */
export function rankFlagsProblem(flags: RankFlags): string | undefined {
  const { gpus, restarts, profile, overwrite } = flags;
  if (gpus !== undefined && flags.ranks !== undefined) return '--gpus and --ranks exclude each other';
  if (gpus !== undefined && flags.device !== undefined) return '--gpus and --device exclude each other';
  const ranks = gpus ?? flags.ranks ?? 1;
  if (profile !== undefined && ranks > 1)
    return `--profile and --${gpus === undefined ? 'ranks' : 'gpus'} exclude each other`;
  if (restarts === undefined) return undefined;
  if (ranks < 2) return '--restarts needs --ranks or --gpus with 2 or more';
  // Until the new run has a checkpoint, the newest is one of the old run.
  return overwrite ? '--restarts and --overwrite exclude each other' : undefined;
}

/** @throws {BurgeonError} ERR_BURGEON_CUDA where there are not as many devices. */
export function requireGpus(wanted: number): void {
  const cuda = findCuda();
  const found = 'notUsed' in cuda ? cuda.notUsed : `found ${counted(cuda.devices.length, 'device')}`;
  if ('notUsed' in cuda || cuda.devices.length < wanted)
    throw new BurgeonError(
      'ERR_BURGEON_CUDA',
      `--gpus ${wanted}: expected ${counted(wanted, 'CUDA device')}, ${found}`,
    );
}

/** Runs this very command as n ranks to their end; its exit status becomes that of this process. Options as of `launchRanks`. */
export async function startRanks(ranks: number, options: Pick<LaunchOptions, 'restarts' | 'fewer'>): Promise<void> {
  // Rank 0 says that it stops.
  const interrupt = interruptSignal(() => {});
  try {
    process.exitCode = await launchRanks({
      ranks,
      command: [process.execPath, ...process.execArgv, ...process.argv.slice(1)],
      ...options,
      commandAgain: [process.execPath, ...process.execArgv, ...goingOn(process.argv.slice(1))],
      stop: interrupt.signal,
      stopSignal: interrupt.by,
    });
  } finally {
    interrupt.release();
  }
}

/** The arguments of a command that begins or resumes a run, for one that goes on with it. */
function goingOn(args: readonly string[]): string[] {
  const others = args.filter((arg) => arg !== '--resume' && arg !== '--auto-resume');
  const train = others.indexOf('train', 1) + 1;
  return [...others.slice(0, train), '--auto-resume', ...others.slice(train)];
}

/**
 * Trains as one rank of several, to the end of the run. A signal to any of them stops all; before they have met it ends the process.
 * @param lead what a process alone does, from the output directory to the summary; called on rank 0 only.
 */
export async function runRank(place: RankPlace, lead: (communicator: Communicator) => Promise<void>): Promise<void> {
  using communicator = await Communicator.connect({ ...place, ...rankWaits(), mpiLibrary: mpiLibraryOf(place) });
  if (place.rank === 0) return await leading(communicator, lead);
  const interrupt = interruptSignal(() => {});
  try {
    const isComplete = await follow(communicator, { signal: interrupt.signal });
    if (!isComplete) process.exitCode = interrupt.exitCode('SIGTERM');
  } finally {
    interrupt.release();
  }
}

/** Of a rank that MPI has started; with others MPI would not know of each other. */
function mpiLibraryOf({ launcher }: RankPlace): string | undefined {
  return launcher === 'open-mpi' || launcher === 'pmi' ? mpiLibraryPath() : undefined;
}

/** The others hear of whatever ends it, from before there is a run to after. */
async function leading(communicator: Communicator, lead: (communicator: Communicator) => Promise<void>): Promise<void> {
  try {
    await lead(communicator);
  } catch (error) {
    communicator.giveUp(isError(error) ? error.message : String(error));
    throw error;
  }
}
