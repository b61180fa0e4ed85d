// A trial: a command that writes runs where something is wrong, and runs again where nothing is. What must hold:
//   - it ends, by itself, and where its results are not all there it says so: one message, no stack, an exit status other than 0
//   - what lay there before is there still
//   - the second time it comes to the results of an undisturbed run, and leaves nothing else

import path from 'node:path';
import process from 'node:process';
import { expect } from 'vitest';
import { latestIntactCheckpoint } from '../../lib/checkpoint/checkpoint-list.ts';
import { commands, type WritingCommand } from './commands.ts';
import { type Circumstances, copyOf, type Ended, filesOf, remove, resultsOf, run } from './workplace.ts';

/** A command, and a directory in which it can be run. */
export interface Prepared {
  command: WritingCommand;
  /** To be copied. */
  directory: string;
  /** Files of another time with the hashes of their bytes. */
  old: Record<string, string>;
  undisturbed: Record<string, unknown>;
}

export interface Trial extends Circumstances {
  /** In words, for messages. */
  what: string;
  /** Where something of somebody else stands, or stood. */
  place?: string | undefined;
  /** What is wrong, and puts it right again. */
  disturb?: (directory: string) => Promise<unknown>;
  restore?: (directory: string) => Promise<unknown>;
  /** After all, also where something went wrong. */
  clear?: (directory: string) => Promise<unknown>;
  /** Where memory is short Node aborts, and nobody can be told. */
  mayAbort?: boolean;
  /** Of the second run. */
  again?: Circumstances;
}

/** What became of all trials. */
export const tally = { trials: 0, without: 0, refused: 0, aborted: 0 };
/** What was said, without what differs by chance. */
export const messages = new Set<string>();

/** Trials at a time. */
const lanes = 2;
/** STRIDE=5: every fifth trial, for a quick look. */
const stride = Number(process.env.STRIDE ?? 1);

/** @param circumstances of the undisturbed run. */
export async function prepareCommand(
  name: string,
  template: string,
  circumstances: Circumstances = {},
): Promise<Prepared> {
  const command = commands[name]!;
  const directory = await copyOf(template);
  for (const args of command.before ?? []) expect(await run(directory, args)).toMatchObject({ code: 0 });
  const whole = await copyOf(directory);
  const ended = await run(whole, command.args, circumstances);
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  const undisturbed = await resultsOf(whole, command);
  await remove(whole);
  return { command, directory, old: await filesOf(directory, command), undisturbed };
}

/** Runs all of them, and shows what went wrong, if anything did. */
export async function expectLawful(prepared: Prepared, trials: readonly Trial[]): Promise<void> {
  const waiting = trials.filter((_, i) => i % stride === 0);
  let failures = 0;
  const lane = async () => {
    for (let trial = waiting.shift(); trial !== undefined; trial = waiting.shift()) {
      const directory = await copyOf(prepared.directory);
      try {
        await tryOne(prepared, trial, directory);
      } catch (error) {
        // At once: a storm takes long.
        failures++;
        console.log(`WRONG ${(error as Error).message}\n`);
      } finally {
        await trial.clear?.(directory);
        await remove(directory);
      }
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  await remove(prepared.directory);
  expect(failures, 'trials that went wrong, shown above').toBe(0);
}

async function tryOne({ command, old, undisturbed }: Prepared, trial: Trial, directory: string): Promise<void> {
  await trial.disturb?.(directory);
  const ended = await run(directory, command.args, trial);
  tally.trials++;
  const said = `${trial.what}: burgeon ${command.args.join(' ')}\n${ended.stdout.slice(-500)}${ended.stderr}`;
  if (ended.code === 0) {
    tally.without++;
    expectNoStack(ended, said);
    await expectResults(directory, { command, undisturbed, place: trial.place }, ended, said);
    return;
  }
  if (trial.mayAbort && ended.signal !== null && !ended.isHung) tally.aborted++;
  else expectOneMessage(ended, command, said);
  await trial.restore?.(directory);
  await expectOld(directory, command, old, said);
  const again = await run(directory, command.again ?? command.args, trial.again);
  const alsoSaid = `${said}\nagain: ${again.stdout.slice(-500)}${again.stderr}`;
  expect(again.code, alsoSaid).toBe(0);
  await expectResults(directory, { command, undisturbed }, again, alsoSaid);
}

/** All results but those of which is said that they could not be written, and that the run is complete without. */
async function expectResults(
  directory: string,
  { command, undisturbed, place }: Pick<Prepared, 'command' | 'undisturbed'> & Pick<Trial, 'place'>,
  { stdout, stderr }: Ended,
  said: string,
): Promise<void> {
  const excuses: [RegExp, string][] = [
    [/metrics\.jsonl: its last \d+ lines are lost/, 'metrics.jsonl'],
    [/^ *report +.*cannot be written/m, 'report.html'],
  ];
  const excused = excuses.flatMap(([told, name]) => (told.test(stdout + stderr) ? [name] : []));
  const without = (results: Record<string, unknown>) =>
    Object.fromEntries(
      Object.entries(results).filter(
        ([name]) =>
          !isLeftForNext(name) &&
          !excused.includes(path.basename(name)) &&
          name !== place &&
          !name.startsWith(`${place}/`),
      ),
    );
  const [found, expected] = [without(await resultsOf(directory, command)), without(undisturbed)];
  const isTooMany = (name: string) =>
    /pruning checkpoints in/.test(stderr) && !(name in expected) && /\/checkpoint-/.test(name);
  const different = [...new Set([...Object.keys(found), ...Object.keys(expected)])].filter(
    (name) => JSON.stringify(found[name]) !== JSON.stringify(expected[name]) && !isTooMany(name),
  );
  expect(different, said).toEqual([]);
}

/** What could not be deleted, and is of no run: the next process in the directory does it. */
const isLeftForNext = (name: string) =>
  /\/(\.discarded|\.tmp-checkpoint-[\w-]+|\.burgeon\.token\.new)(\/|$)|\.partial$|\/\.burgeon(-sweep)?\.lock(\.|$)/.test(
    name,
  );

function expectNoStack({ stderr }: Ended, said: string): void {
  expect(stderr, said).not.toMatch(/^\s+at .*:\d+\)?$|node:internal/m);
}

/** One message, that names a place. */
function expectOneMessage(ended: Ended, { outputs }: WritingCommand, said: string): void {
  tally.refused++;
  expect(ended.isHung || ended.signal, said).toBeFalsy();
  expectNoStack(ended, said);
  // A sweep goes on with other runs, and says so in its list.
  const found = ended.stderr.split(/^burgeon: |^.* {2}failed: /m).slice(1);
  expect(found, said).toHaveLength(1);
  const message = found[0]!.trim();
  messages.add(message.replaceAll(/\/\S*burgeon-place-\w+/g, '').replaceAll(/[0-9a-f]{8,}/g, '#'));
  const names = outputs.map((output) => path.basename(output));
  expect(
    ['/', ...names].some((name) => message.includes(name)),
    said,
  ).toBe(true);
}

/** Of a run: a checkpoint of it, or one of what has taken its place. */
async function expectOld(
  directory: string,
  command: WritingCommand,
  old: Record<string, string>,
  said: string,
): Promise<void> {
  if (command.keepsOld) {
    expect(await filesOf(directory, command), said).toMatchObject(old);
  } else if (Object.keys(old).some((name) => name.includes('checkpoint-'))) {
    const places = ['', '.overwritten', '.moving'].map((name) => path.join(directory, command.outputs[0]!, name));
    const found = await Promise.all(places.map((place) => latestIntactCheckpoint(place)));
    const isThere = found.some(({ latest }) => latest !== undefined);
    expect(isThere, said).toBe(true);
  }
}
