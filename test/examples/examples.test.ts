// Every program in examples/ runs, on the compiled package, and does what it says.

import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { packageRoot } from '../../lib/addon/load.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-examples-'));
});
afterAll(() => rm(directory, { recursive: true }));

const at = (name: string) => path.join(directory, name);
const file = (example: string) => path.join(packageRoot, 'examples', example);
const env = { ...process.env, BURGEON_THREADS: '2', PORT: '0' };

async function run(example: string, ...args: string[]): Promise<string> {
  return (await promisify(execFile)(process.execPath, [file(example), ...args], { cwd: directory, env })).stdout;
}

test('every example has a test here', async () => {
  expect((await readdir(path.join(packageRoot, 'examples'))).sort()).toEqual(
    ['embed.mjs', 'server.mjs', 'trainer.mjs', 'worker.mjs'].sort(),
  );
});

test('embed.mjs', async () => {
  const output = await run('embed.mjs', at('embedded'));
  expect(output).toContain('% of the block FLOPs were never executed');
  expect(output).toContain('loaded, it has the same loss');
});

test('worker.mjs', async () => {
  expect(await run('worker.mjs')).toMatch(/^seed 1: loss 0\.\d+\nseed 2: loss 0\.\d+\n$/);
});

test('trainer.mjs, which goes on where it stopped', async () => {
  const output = await run('trainer.mjs', at('trainer'));
  expect(output).toContain('step 60, stage 3');
  expect(output).toContain('% of the block FLOPs saved');
  expect(await run('trainer.mjs', at('trainer'))).not.toContain('step 10,');
});

describe('server.mjs', () => {
  type Server = ChildProcessByStdio<null, Readable, Readable>;

  /** Starts it; resolves once it listens. */
  async function start(steps: number): Promise<{ url: string; first: string; server: Server; errors: () => string }> {
    const server = spawn(process.execPath, [file('server.mjs'), at('server')], {
      env: { ...env, STEPS: String(steps) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void server.kill('SIGKILL'));
    let errors = '';
    server.stderr.on('data', (text) => {
      errors += text;
    });
    const [first] = await Promise.race([
      once(createInterface(server.stdout), 'line'),
      once(server, 'exit').then(() => Promise.reject(new Error(errors))),
    ]);
    return { url: /^http:\S+(?=,)/.exec(first)![0], first, server, errors: () => errors };
  }

  /** The events of a page until `isLast`. */
  async function* progress(url: string): AsyncGenerator<Record<string, unknown>> {
    const response = await fetch(`${url}/progress`);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    let text = '';
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
      text += part;
      const events = text.split('\n\n');
      text = events.pop()!;
      for (const event of events) yield JSON.parse(event.replace(/^data: /, ''));
    }
  }

  test('trains, tells its progress, generates meanwhile, and stops with a checkpoint', async () => {
    const { url, server, errors } = await start(1_000_000);
    const events = progress(url);
    expect((await events.next()).value).toMatchObject({ step: expect.any(Number), steps: 1_000_000 });
    const { value } = await events.next();
    expect(value).toMatchObject({ step: expect.any(Number), loss: expect.any(Number) });

    const texts = await Promise.all(
      ['a', 'b'].map(async (prompt) => (await fetch(`${url}/generate?prompt=${prompt}&tokens=20`)).text()),
    );
    for (const text of texts) expect(text.length).toBeGreaterThan(5);
    // Whoever hangs up ends the text, and training goes on.
    const gone = new AbortController();
    const cut = await fetch(`${url}/generate?tokens=1000`, { signal: gone.signal });
    await cut.body!.getReader().read();
    gone.abort();
    for await (const { step } of events) if ((step as number) > (value!.step as number) + 3) break;

    expect((await fetch(`${url}/generate?tokens=-1`)).status).toBe(400);
    expect((await fetch(`${url}/elsewhere`)).status).toBe(404);
    expect((await fetch(`${url}/stop`, { method: 'POST' })).status).toBe(202);
    expect(await once(server, 'exit')).toEqual([0, null]);
    expect(errors()).toBe('');
    expect(await readdir(at('server/run'))).toContainEqual(expect.stringMatching(/^checkpoint-/));
  });

  test('goes on where it stopped', async () => {
    const { url, first, server } = await start(1_000_000);
    expect(first).toMatch(/training from step [1-9]/);
    await fetch(`${url}/stop`, { method: 'POST' });
    expect(await once(server, 'exit')).toEqual([0, null]);
  });
});
