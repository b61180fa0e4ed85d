// A run whose directory is moved, deleted or taken over stops, says so, and loses no step where that can be.

import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { thisProcess } from '../../lib/files/process-identity.ts';
import { readMetrics } from '../../lib/train/metrics.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { leaveLock } from '../files/lock-processes.ts';
import { type Outcome, prepareText, type Settings, tinyConfig, train } from './helpers.ts';

let data: string;
let remove: () => Promise<void>;
let undisturbed: Outcome;

beforeAll(async () => {
  ({ data, remove } = await prepareText());
  undisturbed = await train(tinyConfig(data, path.join(path.dirname(data), 'undisturbed'), { checkpoint }));
});
afterAll(() => remove());

/** Before which the directory is looked at. */
const checkpoint = { every: 10, keepLast: 5 };

async function config(): Promise<Settings & { output: string }> {
  const output = path.join(await temporaryDirectory(), 'runs', 'a');
  return { ...tinyConfig(data, output, { checkpoint }), output };
}

/** Trains, and does something to the directory after a step. @returns the error, and its message. */
async function disturbed(settings: Settings, atStep: number, disturb: () => Promise<unknown>) {
  const steps: number[] = [];
  const error = await train(settings, {}, async ({ step }) => {
    steps.push(step);
    if (step === atStep) await disturb();
  }).then(
    () => undefined,
    (cause) => cause,
  );
  return { steps, code: error?.code as string, message: error?.message as string };
}

/** The run goes on, to the bits of one that nobody disturbed. */
async function expectContinued(settings: Settings, firstStep: number): Promise<void> {
  const { records, fingerprint } = await train(settings, { start: 'resume' });
  expect(records[0]!.step).toBe(firstStep);
  expect(fingerprint).toEqual(undisturbed.fingerprint);
}

const otherHost = async () => ({ ...(await thisProcess()), host: 'far', boot: 'another' });

describe.runIf(process.platform === 'linux')('a directory that is moved', () => {
  test('has the checkpoint, its metrics and no lock where it is now, and nothing comes back', async () => {
    const settings = await config();
    const to = path.join(path.dirname(settings.output), 'b');
    const found = await disturbed(settings, 6, () => rename(settings.output, to));
    expect(found).toEqual({
      steps: [1, 2, 3, 4, 5, 6, 7, 8, 9],
      code: 'ERR_BURGEON_CHECKPOINT',
      message:
        `output ${settings.output}: it was moved to ${to} while the run went on; stopped after step 10 with ` +
        `${path.join(to, 'checkpoint-00000010')}; continue with --resume --set output=${to}`,
    });
    expect(await readdir(path.dirname(to))).toEqual(['b']);
    expect((await readdir(to)).sort()).toEqual(['checkpoint-00000010', 'metrics.jsonl']);
    const lines = await readMetrics(path.join(to, 'metrics.jsonl'));
    expect(lines.slice(-2)).toMatchObject([
      { kind: 'warning', text: found.message },
      { kind: 'end', step: 10, state: 'failed' },
    ]);
    await expectContinued({ ...settings, output: to }, 11);
  });

  test('with its parent, too', async () => {
    const settings = await config();
    const runs = path.dirname(settings.output);
    const { message } = await disturbed(settings, 3, () => rename(runs, `${runs}-old`));
    expect(message).toContain(`it was moved to ${runs}-old/a while the run went on; stopped after step 10 with`);
    await expectContinued({ ...settings, output: `${runs}-old/a` }, 11);
  });

  test('to make room for another run leaves that one alone', async () => {
    const settings = await config();
    const to = `${settings.output}-old`;
    const { message } = await disturbed(settings, 2, async () => {
      await rename(settings.output, to);
      await mkdir(settings.output);
      await leaveLock(path.join(settings.output, '.burgeon.lock'), await otherHost());
    });
    expect(message).toContain(`it was moved to ${to} while`);
    expect(await readdir(settings.output)).toEqual(['.burgeon.lock']);
    await rm(settings.output, { recursive: true });
    await expectContinued({ ...settings, output: to }, 11);
  });
});

describe('a directory that is deleted', () => {
  test('is there again, with the checkpoint', async () => {
    const settings = await config();
    const { code, message } = await disturbed(settings, 6, () => rm(settings.output, { recursive: true }));
    expect({ code, message }).toEqual({
      code: 'ERR_BURGEON_CHECKPOINT',
      message:
        `output ${settings.output}: it was deleted or moved out of sight while the run went on; stopped after ` +
        `step 10 with ${path.join(settings.output, 'checkpoint-00000010')}; what else was in it is gone; continue with --resume`,
    });
    expect(await readdir(settings.output)).toEqual(['checkpoint-00000010']);
    await expectContinued(settings, 11);
  });

  test('and is a file now stays one; it is said that the step is lost', async () => {
    const settings = await config();
    const { message } = await disturbed(settings, 6, async () => {
      await rm(settings.output, { recursive: true });
      await writeFile(settings.output, 'mine');
    });
    expect(message).toMatch(
      /stopped after step 10, of which there is no checkpoint: the place is taken; start again with another output$/,
    );
    expect(await readFile(settings.output, 'utf8')).toBe('mine');
  });

  test('after the last checkpoint is noticed too', async () => {
    const settings = await config();
    const { message } = await disturbed(settings, 12, () => rm(settings.output, { recursive: true }));
    expect(message).toContain('stopped after step 15 with');
  });
});

describe('a lock', () => {
  test('that is deleted ends the run with a checkpoint', async () => {
    const settings = await config();
    const { code, message } = await disturbed(settings, 6, () => rm(path.join(settings.output, '.burgeon.lock')));
    expect({ code, message }).toEqual({
      code: 'ERR_BURGEON_CHECKPOINT',
      message: expect.stringMatching(
        /its lock was deleted while the run went on; stopped after step 10 with .*checkpoint-00000010; continue with --resume$/,
      ),
    });
    expect((await readdir(settings.output)).sort()).toEqual(['checkpoint-00000010', 'metrics.jsonl']);
    await expectContinued(settings, 11);
  });

  test.each(['metrics.jsonl', 'notes.txt'])(
    'that another process has taken over ends the run, which writes nothing more; %s stays as it is',
    async (name) => {
      const settings = await config();
      const lock = path.join(settings.output, '.burgeon.lock');
      const { code, message } = await disturbed(settings, 6, async () => {
        await rm(lock);
        await leaveLock(lock, await otherHost());
        // As the other run would begin.
        await writeFile(path.join(settings.output, name), 'theirs\n');
      });
      expect({ code, message }).toEqual({
        code: 'ERR_BURGEON_BUSY',
        message: expect.stringMatching(
          /its lock was taken over by process \d+ on far \(since .*\) while the run went on; stopped after step 10 and wrote nothing more there; leave it to that process, or choose another output$/,
        ),
      });
      expect((await readdir(settings.output)).sort()).toEqual(
        ['.burgeon.lock', 'metrics.jsonl', name].sort().filter(unique),
      );
      expect(await readFile(path.join(settings.output, 'metrics.jsonl'), 'utf8')).not.toMatch(/"kind":"(warning|end)"/);
      expect(JSON.parse(await readFile(lock, 'utf8'))).toMatchObject({ host: 'far' });
    },
  );
});

const unique = (name: string, i: number, names: string[]) => names.indexOf(name) === i;
