// burgeon prepare, killed at many points and started again, gives the files of a run that was left alone. The kill comes
// from within, before or after a chosen rename: everything that is finished gets its name by one.

import { createHash } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { main, runNode } from '../helpers/cli.ts';
import { createWorkspace, type Workspace } from './workspace.ts';

let workspace: Workspace;
beforeAll(async () => {
  workspace = await createWorkspace();
  const words = ['wherefore', 'Rosenkränze', 'it’s', '1605', 'naïve 🌱', 'and', 'the', 'of,', '\n'];
  const text = (i: number, n: number) => Array.from({ length: n }, (_, j) => words[(i * j + (j >> 3)) % 9]).join(' ');
  const lines = (first: number) =>
    Array.from({ length: 400 }, (_, i) => `${JSON.stringify({ text: text(first + i, 20 + ((i * 37) % 200)) })}\n`);
  await writeFile(workspace.path('a.jsonl'), lines(0).join(''));
  await writeFile(workspace.path('b.txt'), text(5, 40_000));
  await writeFile(workspace.path('c.jsonl.gz'), gzipSync(lines(400).join('')));
  await writeFile(workspace.path('long.txt'), text(7, 150_000));
});
afterAll(() => workspace.remove());

const several = ['a.jsonl', 'b.txt', 'c.jsonl.gz'];

/** Node options that end the process, without any clean-up, at its n-th rename. */
function killedAtRename(n: number, side: 'before' | 'after'): string[] {
  const code = `
    import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    import { isMainThread } from 'node:worker_threads';
    const { rename } = fs.promises;
    const kill = () => { process.kill(process.pid, 'SIGKILL'); return new Promise(() => {}); };
    let calls = 0;
    if (isMainThread) {
      fs.promises.rename = async (...paths) => {
        const isIt = ++calls === ${n};
        if (isIt && ${side === 'before'}) await kill();
        await rename(...paths);
        if (isIt) await kill();
      };
      syncBuiltinESMExports();
    }`;
  return ['--import', `data:text/javascript,${encodeURIComponent(code)}`];
}

/** Hashes of the files: comparing them as arrays takes seconds. */
async function filesOf(directory: string): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const name of (await readdir(workspace.path(directory))).sort()) {
    hashes[name] = createHash('sha256')
      .update(await readFile(workspace.path(directory, name)))
      .digest('hex');
  }
  return hashes;
}

/** Shards of an interrupted run that the saved state counts as complete, with what tells a file from its copy. */
async function completeShards(output: string, shardTokens: number): Promise<Map<string, string>> {
  const state = await readFile(workspace.path(`${output}.partial/work/state.json`), 'utf8').catch(() => undefined);
  const shards = new Map<string, string>();
  if (state === undefined) return shards;
  const { train, validation } = JSON.parse(state);
  for (const [split, { tokens }] of Object.entries({ train, val: validation })) {
    for (let i = 0; i < Math.floor(tokens / shardTokens); i++) {
      const name = `data_${split}_${String(i).padStart(6, '0')}.bin`;
      // A run killed at the very end has moved them already, and its successor starts anew.
      const file = await stat(workspace.path(`${output}.partial/data`, name)).catch(() => undefined);
      if (file) shards.set(name, `${file.ino} ${file.mtimeMs}`);
    }
  }
  return shards;
}

describe('SIGKILL', () => {
  test.each([
    ['several files', several, ['-t', 'gpt2', '--workers', '0'], 70_000, 7],
    ['several files, in threads', several, ['-t', 'bytes', '--workers', '2'], 200_000, 7],
    ['one document, which is cut', ['long.txt'], ['-t', 'bytes', '--workers', '0'], 300_000, 6],
  ] as const)(
    '%s: restarted, the files are the same',
    async (_, inputs, options, shardTokens, step) => {
      const command = (output: string) => [
        'prepare',
        ...inputs,
        '-o',
        output,
        '--shard-tokens',
        String(shardTokens),
        ...options,
      ];
      await workspace.succeed(command(`whole-${shardTokens}`));
      const expected = await filesOf(`whole-${shardTokens}`);
      let keptShards = 0;
      let kills = 0;
      for (let n = 1; ; n += step) {
        const output = `killed-${shardTokens}-${n}`;
        const killed = await runNode([...killedAtRename(n, n % 2 ? 'before' : 'after'), main, ...command(output)], {
          cwd: workspace.path(),
        });
        if (killed.code === 0) break;
        expect(killed, killed.stderr).toMatchObject({ code: null, signal: 'SIGKILL' });
        kills++;
        const shards = await completeShards(output, shardTokens);
        // Killed once more, soon after it began again.
        await runNode([...killedAtRename(2, 'before'), main, ...command(output)], { cwd: workspace.path() });
        await workspace.succeed(command(output));
        expect(await filesOf(output), `killed at rename ${n}`).toEqual(expected);
        expect(await readdir(workspace.path())).not.toContain(`${output}.partial`);
        for (const [name, identity] of shards) {
          const { ino, mtimeMs } = await stat(workspace.path(output, name));
          // Of one document, the last shards may be cut off and written anew.
          if (inputs.length > 1) expect(`${ino} ${mtimeMs}`, name).toBe(identity);
          keptShards++;
        }
      }
      expect(kills).toBeGreaterThan(2);
      expect(keptShards).toBeGreaterThan(2);
    },
    120_000,
  );

  test('the list of near-duplicates is the same too', { timeout: 120_000 }, async () => {
    const text = (seed: number) => Array.from({ length: 60 }, (_, i) => `w${seed}n${i}`).join(' ');
    const lines = [1, 2, 1].map((seed) => `${JSON.stringify({ text: text(seed) })}\n`);
    await writeFile(workspace.path('d.jsonl'), lines.join(''));
    await writeFile(workspace.path('e.txt'), text(2));
    const command = ['prepare', 'd.jsonl', 'e.txt', '-t', 'bytes', '--drop-near-duplicates', '-o'];
    await workspace.succeed([...command, 'listed']);
    const expected = await filesOf('listed');
    expect(Object.keys(expected)).toContain('near-duplicates.jsonl');
    // The first rename is that of the job; those of two records and of the list follow.
    for (const [n, side] of [
      [2, 'before'],
      [3, 'after'],
      [4, 'before'],
      [4, 'after'],
    ] as const) {
      const output = `listed-${n}-${side}`;
      const killed = await runNode([...killedAtRename(n, side), main, ...command, output], { cwd: workspace.path() });
      expect(killed, killed.stderr).toMatchObject({ code: null, signal: 'SIGKILL' });
      await workspace.succeed([...command, output]);
      expect(await filesOf(output), `killed ${side} rename ${n}`).toEqual(expected);
    }
  });

  test('another command starts anew', async () => {
    const command = ['prepare', 'a.jsonl', '-o', 'changed', '-t', 'bytes', '--shard-tokens', '20000'];
    await runNode([...killedAtRename(6, 'after'), main, ...command], { cwd: workspace.path() });
    expect(await readdir(workspace.path())).toContain('changed.partial');
    await workspace.succeed([...command, '--name', 'other']);
    const names = await readdir(workspace.path('changed'));
    expect(names.every((name) => ['manifest.json', 'files.jsonl'].includes(name) || name.startsWith('other_'))).toBe(
      true,
    );
    expect(await readdir(workspace.path())).not.toContain('changed.partial');
  });
});

test('the result does not depend on the number of threads', { timeout: 120_000 }, async () => {
  const command = ['prepare', ...several, 'long.txt', '--shard-tokens', '70000'];
  await workspace.succeed([...command, '-o', 'threads-0', '--workers', '0']);
  for (const workers of ['1', '3']) {
    await workspace.succeed([...command, '-o', `threads-${workers}`, '--workers', workers]);
    expect(await filesOf(`threads-${workers}`)).toEqual(await filesOf('threads-0'));
  }
});

test('SIGINT stops in an orderly way, and the same command goes on', async () => {
  const command = ['prepare', ...several, '-o', 'stopped', '-t', 'bytes'];
  const { code, stdout, stderr } = await workspace.burgeon(command, {
    signals: [{ name: 'SIGINT', after: 'reading (1 of 2)' }],
  });
  expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
  expect(stderr).toContain('the same command goes on from here');
  expect(await readdir(workspace.path())).toContain('stopped.partial');
  await workspace.succeed(command);
  await workspace.succeed([...command.slice(0, -4), '-o', 'whole-again', '-t', 'bytes']);
  expect(await filesOf('stopped')).toEqual(await filesOf('whole-again'));
});

test('a directory in the way is left alone', async () => {
  const command = ['prepare', 'a.jsonl', '-o', 'mine', '-t', 'bytes'];
  await workspace.succeed(['prepare', 'b.txt', '-o', 'mine.partial', '-t', 'bytes']);
  const { code, stderr } = await workspace.burgeon(command);
  expect(code).toBe(1);
  expect(stderr).toContain(
    'mine.partial: expected what an interrupted burgeon has left, or nothing, found other files',
  );
  expect(await readdir(workspace.path('mine.partial'))).toContain('manifest.json');
});
