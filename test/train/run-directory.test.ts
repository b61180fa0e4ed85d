// Who may start in a run directory: the three modes, and the lock with all the ways in which one may be left behind.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { writeCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { enterRunDirectory } from '../../lib/train/run-directory.ts';
import { movingName } from '../../lib/train/set-aside.ts';
import { temporaryDirectory, tinyContents } from '../checkpoint/helpers.ts';

const lockName = '.burgeon.lock';

async function runDirectory() {
  return path.join(await temporaryDirectory(), 'run');
}

describe('modes', () => {
  test('a new directory is made, with its parents', async () => {
    const directory = path.join(await runDirectory(), 'a', 'b');
    const { latest, skipped, leave } = await enterRunDirectory(directory, 'new');
    expect({ latest, skipped }).toEqual({ latest: undefined, skipped: [] });
    expect(await readdir(directory)).toEqual([lockName]);
    await writeFile(path.join(directory, 'metrics.jsonl'), '');
    await leave();
    expect(await readdir(directory)).toEqual(['metrics.jsonl']);
  });

  test('a directory that was made for nothing is not left', async () => {
    const directory = path.join(await runDirectory(), 'a', 'b');
    const { leave } = await enterRunDirectory(directory, 'new');
    await leave();
    await expect(enterRunDirectory(directory, 'resume')).rejects.toThrow('found none');
    expect(await readdir(path.dirname(path.dirname(path.dirname(directory))))).toEqual([]);
    await mkdir(directory, { recursive: true });
    await expect(enterRunDirectory(directory, 'resume')).rejects.toThrow('found none');
    expect(await readdir(path.dirname(directory))).toEqual(['b']);
  });

  test.each([
    [['manifest.json', 'data_train_000000.bin'], 'a data set (manifest.json)'],
    [['config.json', 'model.safetensors', 'tokenizer.json'], 'a model (config.json)'],
    [['sweep.json', 'report.html'], 'a sweep (sweep.json)'],
    [['.git', 'README.md', 'src'], 'a git repository (.git)'],
    [['notes.md', 'thesis.tex'], 'other files (thesis.tex)'],
  ])('none is begun among other files: %s', async (names, found) => {
    const directory = await runDirectory();
    await mkdir(directory);
    for (const name of names) await writeFile(path.join(directory, name), '');
    for (const mode of ['new', 'auto', 'overwrite'] as const) {
      await expect(enterRunDirectory(directory, mode)).rejects.toMatchObject({
        code: 'ERR_BURGEON_CONFIG',
        message: expect.stringContaining(`expected a new directory or that of a run, found ${found}; choose another`),
      });
    }
    expect(await readdir(directory)).toEqual([...names].sort());
  });

  test('one is begun beside its configuration and a log, and where one was', async () => {
    for (const names of [
      ['train.yaml', 'nohup.out', '.gitkeep'],
      ['metrics.jsonl', 'model.py', 'profile.txt'],
    ]) {
      const directory = await runDirectory();
      await mkdir(directory);
      for (const name of names) await writeFile(path.join(directory, name), '');
      await (await enterRunDirectory(directory, 'new')).leave();
      expect(await readdir(directory)).toEqual([...names].sort());
    }
  });

  test('new refuses where a run is, and leaves it alone', async () => {
    const directory = await runDirectory();
    await writeCheckpoint(directory, 5, tinyContents(5));
    await expect(enterRunDirectory(directory, 'new')).rejects.toMatchObject({
      code: 'ERR_BURGEON_CONFIG',
      message: expect.stringMatching(
        /found a checkpoint at step 5; continue it with --resume, replace it with --overwrite/,
      ),
    });
    expect(await readdir(directory)).toEqual(['checkpoint-00000005']);
  });

  test('new refuses where only damaged checkpoints are', async () => {
    const directory = await runDirectory();
    await mkdir(path.join(directory, 'checkpoint-00000005'), { recursive: true });
    await expect(enterRunDirectory(directory, 'new')).rejects.toThrow('found damaged checkpoints');
  });

  test('resume takes the newest intact checkpoint and names newer ones that are not', async () => {
    const directory = await runDirectory();
    await writeCheckpoint(directory, 5, tinyContents(5));
    await writeCheckpoint(directory, 10, tinyContents(10));
    await mkdir(path.join(directory, 'checkpoint-00000015'));
    const { latest, skipped, leave } = await enterRunDirectory(directory, 'resume');
    expect(latest).toMatchObject({ step: 10, valid: true });
    expect(skipped).toMatchObject([{ step: 15, valid: false, problem: expect.stringContaining('checkpoint.json') }]);
    await leave();
  });

  test('auto starts anew where nothing is, or nothing intact', async () => {
    const directory = await runDirectory();
    await mkdir(directory);
    for (const torn of [[], ['checkpoint-00000015']]) {
      for (const name of torn) await mkdir(path.join(directory, name));
      const { latest, skipped, leave } = await enterRunDirectory(directory, 'auto');
      expect(latest).toBeUndefined();
      expect(skipped).toHaveLength(torn.length);
      await leave();
    }
  });

  test('resume refuses there, and names what is damaged', async () => {
    const directory = await runDirectory();
    await expect(enterRunDirectory(directory, 'resume')).rejects.toMatchObject({
      code: 'ERR_BURGEON_CONFIG',
      message: expect.stringContaining('found none; start without --resume, or with --auto-resume'),
    });
    await mkdir(path.join(directory, 'checkpoint-00000015'), { recursive: true });
    await expect(enterRunDirectory(directory, 'resume')).rejects.toThrow(
      /found .*checkpoint-00000015: .*checkpoint\.json/,
    );
    expect(await readdir(directory)).toEqual(['checkpoint-00000015']);
  });

  async function oldRun() {
    const directory = await runDirectory();
    await writeCheckpoint(directory, 5, tinyContents(5));
    await mkdir(path.join(directory, 'checkpoint-00000010'));
    await writeFile(path.join(directory, 'metrics.jsonl'), '{}\n');
    await writeFile(path.join(directory, 'events.out.tfevents.1.host.2.3'), 'old');
    await writeFile(path.join(directory, 'notes.txt'), 'mine');
    return { directory, entries: (await readdir(directory)).sort() };
  }

  test('overwrite deletes the run once the new one has a checkpoint, and nothing else', async () => {
    const { directory } = await oldRun();
    const { latest, begun, leave } = await enterRunDirectory(directory, 'overwrite');
    expect(latest).toBeUndefined();
    await writeFile(path.join(directory, 'metrics.jsonl'), 'new\n');
    await begun();
    await leave();
    expect((await readdir(directory)).sort()).toEqual(['metrics.jsonl', 'notes.txt']);
    expect(await readFile(path.join(directory, 'metrics.jsonl'), 'utf8')).toBe('new\n');
  });

  test('overwrite by a run without a checkpoint leaves the old one', async () => {
    const { directory, entries } = await oldRun();
    const { leave } = await enterRunDirectory(directory, 'overwrite');
    await writeFile(path.join(directory, 'metrics.jsonl'), 'new\n');
    await leave();
    expect((await readdir(directory)).sort()).toEqual(entries);
    expect(await readFile(path.join(directory, 'metrics.jsonl'), 'utf8')).toBe('{}\n');
  });

  test.each(['new', 'resume', 'overwrite'] as const)(
    '%s after a kill before the first checkpoint finds the old run',
    async (mode) => {
      const { directory, entries } = await oldRun();
      await enterRunDirectory(directory, 'overwrite');
      await writeFile(path.join(directory, 'metrics.jsonl'), 'new\n');
      await rm(path.join(directory, lockName));
      const entered = enterRunDirectory(directory, mode);
      if (mode === 'new') await expect(entered).rejects.toThrow('found a checkpoint at step 5');
      else await (await entered).leave();
      expect((await readdir(directory)).sort()).toEqual(entries);
      expect(await readFile(path.join(directory, 'metrics.jsonl'), 'utf8')).toBe('{}\n');
    },
  );

  test('after a kill between the first checkpoint and the deleting, the new run counts', async () => {
    const { directory } = await oldRun();
    await enterRunDirectory(directory, 'overwrite');
    await writeCheckpoint(directory, 2, tinyContents(2));
    await rm(path.join(directory, lockName));
    const { latest, leave } = await enterRunDirectory(directory, 'resume');
    expect(latest).toMatchObject({ step: 2 });
    await leave();
    expect((await readdir(directory)).sort()).toEqual(['checkpoint-00000002', 'notes.txt']);
  });

  test.each([
    // Killed while the old run was moved away, or while it came back: part of it is in either place, and nothing is new.
    ['half of it set aside', ['checkpoint-00000005']],
    ['nearly all of it', ['checkpoint-00000005', 'checkpoint-00000010', 'metrics.jsonl']],
    ['nothing yet', []],
  ])('a kill amid the moving, %s, loses nothing', async (_, moved) => {
    const { directory, entries } = await oldRun();
    await mkdir(path.join(directory, movingName));
    for (const name of moved) await rename(path.join(directory, name), path.join(directory, movingName, name));
    const { latest, leave } = await enterRunDirectory(directory, 'resume');
    expect(latest).toMatchObject({ step: 5 });
    await leave();
    expect((await readdir(directory)).sort()).toEqual(entries);
  });

  test('a kill amid the deleting leaves nothing in the way of the next', async () => {
    const { directory } = await oldRun();
    await mkdir(path.join(directory, '.discarded', 'checkpoint-00000001'), { recursive: true });
    const { begun, leave } = await enterRunDirectory(directory, 'overwrite');
    await begun();
    await leave();
    expect(await readdir(directory)).toEqual(['notes.txt']);
  });

  test('a file in the place of the directory', async () => {
    const directory = await runDirectory();
    await writeFile(directory, '');
    await expect(enterRunDirectory(directory, 'new')).rejects.toMatchObject({
      code: 'ERR_BURGEON_CONFIG',
      message: expect.stringContaining(`output ${directory}: expected a directory that can be written`),
    });
  });
});

describe('the lock', () => {
  const busy = (holder: string) => ({
    code: 'ERR_BURGEON_BUSY',
    message: expect.stringMatching(`${holder}( on .+ \\(since .+ UTC\\))? is training there`),
  });

  /** A run directory with a lock file in it. */
  async function locked(content: string, modified = new Date()): Promise<string> {
    const directory = await runDirectory();
    await mkdir(directory);
    const lock = path.join(directory, lockName);
    await writeFile(lock, content);
    await utimes(lock, modified, modified);
    return directory;
  }

  async function canEnter(directory: string): Promise<void> {
    const { leave } = await enterRunDirectory(directory, 'auto');
    await leave();
    await expect(access(path.join(directory, lockName))).rejects.toThrow('ENOENT');
  }

  test('keeps this process from training twice in one directory, until it leaves', async () => {
    const directory = await runDirectory();
    const { leave } = await enterRunDirectory(directory, 'new');
    for (const mode of ['new', 'resume', 'auto', 'overwrite'] as const) {
      await expect(enterRunDirectory(directory, mode)).rejects.toMatchObject(busy(`process ${process.pid}`));
    }
    await leave();
    await canEnter(directory);
  });

  test('of two that start at once one gets in', async () => {
    const directory = await runDirectory();
    const entered = await Promise.allSettled([1, 2, 3].map(() => enterRunDirectory(directory, 'new')));
    expect(entered.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected']);
    for (const result of entered) {
      if (result.status === 'fulfilled') await result.value.leave();
      else expect(result.reason).toMatchObject({ code: 'ERR_BURGEON_BUSY' });
    }
  });

  test('of another process that lives is respected', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child, 'spawn');
    const directory = await locked(String(child.pid));
    await expect(enterRunDirectory(directory, 'resume')).rejects.toMatchObject(busy(`process ${child.pid}`));
    child.kill('SIGKILL');
    await once(child, 'exit');
    await canEnter(directory);
  });

  test('of a process that is gone is taken over', async () => {
    const pid = execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }).trim();
    await canEnter(await locked(pid));
  });

  test.runIf(process.platform === 'linux')(
    'of a process that ended and whose parent never asked how is taken over',
    async () => {
      // The shell becomes another program, which knows nothing of the shell's child.
      const parent = spawn('sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 60'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      onTestFinished(() => void parent.kill('SIGKILL'));
      const [pid] = await once(parent.stdout.setEncoding('utf8'), 'data');
      const state = () => readFile(`/proc/${pid.trim()}/stat`, 'utf8').then((line) => line.split(') ')[1]![0]);
      await expect.poll(state, { timeout: 10_000 }).toBe('Z');
      await canEnter(await locked(pid.trim()));
    },
  );

  test('of an earlier process with the same id, as in a restarted container, is taken over', async () => {
    await canEnter(await locked(String(process.pid), new Date('2020-01-01')));
  });

  test.runIf(process.platform === 'linux')(
    'is given back where the directory is, with what was set aside',
    async () => {
      const directory = await runDirectory();
      await writeCheckpoint(directory, 5, tinyContents(5));
      const { leave } = await enterRunDirectory(directory, 'overwrite');
      await rename(directory, `${directory}-moved`);
      await leave();
      expect(await readdir(`${directory}-moved`)).toEqual(['checkpoint-00000005']);
      await expect(access(directory)).rejects.toThrow('ENOENT');
    },
  );

  test('is given back when the mode refuses', async () => {
    const directory = await runDirectory();
    await writeCheckpoint(directory, 5, tinyContents(5));
    await expect(enterRunDirectory(directory, 'new')).rejects.toThrow('found a checkpoint');
    await canEnter(directory);
  });
});
