// The live page's server under load and against those it is not for. Nothing here goes by time: bytes and streams are counted.

import { once } from 'node:events';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { LiveEvent } from '../../lib/report/live-events.ts';
import { LiveServer, type LiveServerOptions, mostStreams } from '../../lib/report/live-server.ts';
import type { MetricsLine } from '../../lib/train/metrics.ts';
import { MetricsWriter } from '../../lib/train/metrics.ts';
import type { TrainConfigInput } from '../../lib/train/train-config-input.ts';
import { Trainer } from '../../lib/train/trainer.ts';
import { temporaryDirectory } from '../checkpoint/helpers.ts';
import { eventually } from '../helpers/browser.ts';
import { liveAddress, press, type StalledClient, stalledClients } from '../helpers/live.ts';
import { startLine, stepLine, validationLine } from './metrics-lines.ts';

/** A server of a run that the test writes. */
async function served(options: Partial<LiveServerOptions> = {}) {
  const runDirectory = options.runDirectory ?? (await temporaryDirectory());
  let step = 0;
  const live = await LiveServer.start({
    runDirectory,
    port: 0,
    progress: () => ({ state: 'running', step, steps: 1000, etaMs: null }),
    units: () => undefined,
    controls: { pause: () => 'paused', resume: () => '', checkpoint: async () => '', stop: () => '' },
    ...options,
  });
  let metrics: MetricsWriter | undefined;
  onTestFinished(async () => {
    await metrics?.close();
    await live.close();
  });
  /** Writes lines as a trainer does. */
  const write = async (...lines: MetricsLine[]) => {
    metrics ??= await MetricsWriter.open(runDirectory, 0, { onLine: (line) => live.take(line) });
    for (const line of lines) {
      metrics.write(line);
      step = line.step;
    }
  };
  return { live, runDirectory, write, ...liveAddress(live.url) };
}

async function stall(url: string, count: number): Promise<StalledClient[]> {
  const clients = await stalledClients(url, count);
  onTestFinished(() => clients.forEach(({ socket }) => void socket.destroy()));
  return clients;
}

/** The events of a reader that reads all it is sent. */
async function reader(url: string) {
  const { at, headers } = liveAddress(url);
  const going = new AbortController();
  onTestFinished(() => going.abort());
  const { body } = await fetch(at('/events'), { headers, signal: going.signal });
  const events: LiveEvent[] = [];
  const read = async () => {
    let text = '';
    for await (const piece of body!.pipeThrough(new TextDecoderStream())) {
      text += piece;
      const whole = text.split('\n\n');
      text = whole.pop()!;
      for (const event of whole) if (event.startsWith('data: ')) events.push(JSON.parse(event.slice(6)));
    }
  };
  const ended = read().catch(() => {});
  /** Steps and evaluations that it knows, in the order they came. */
  const steps = () =>
    events.flatMap((event) =>
      event.kind === 'history'
        ? event.run.steps.step
        : event.lines.flatMap((line) => (line.kind === 'step' ? [line.step] : [])),
    );
  return { events, steps, ended, leave: () => going.abort() };
}

const steps = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => stepLine(from + i, 2, { rssBytes: i }));
const numbers = (from: number, to: number) => steps(from, to).map(({ step }) => step);

describe('readers', () => {
  test('of any time know every line once', async () => {
    const { live, write } = await served();
    const first = await reader(live.url);
    await write(startLine({ steps: 1000 }), ...steps(1, 20), validationLine(20, 3));
    await eventually(async () => first.steps()).toEqual(numbers(1, 20));
    const second = await reader(live.url);
    const third = await reader(live.url);
    await write(...steps(21, 50), { kind: 'sample', step: 50, text: 'a text' }, validationLine(50, 2.5));
    for (const { steps: known, events } of [first, second, third]) {
      await eventually(async () => known()).toEqual(numbers(1, 50));
      const samples = events.flatMap((event) =>
        event.kind === 'history' ? event.run.samples : event.lines.filter(({ kind }) => kind === 'sample'),
      );
      expect(samples).toHaveLength(1);
    }
  });

  test('begin anew when the run does', async () => {
    const { live, write, runDirectory } = await served();
    const { events } = await reader(live.url);
    await write(startLine({ steps: 1000 }), ...steps(1, 20), { kind: 'warning', step: 20, text: 'flush' });
    await eventually(async () => events.length).toBeGreaterThan(0);
    const again = await MetricsWriter.open(runDirectory, 10, { onLine: (line) => live.take(line) });
    onTestFinished(() => again.close());
    again.write(startLine({ steps: 1000 }, 10));
    await eventually(async () => {
      const last = events.findLast(({ kind }) => kind === 'history');
      return last?.kind === 'history' ? [last.run.steps.step.length, last.run.starts.length] : undefined;
    }).toEqual([10, 2]);
  });

  test('share one history: a second reads no file', async () => {
    const { live, write, runDirectory } = await served();
    await write(startLine({ steps: 1000 }), ...steps(1, 20), validationLine(20, 3));
    const first = await reader(live.url);
    await eventually(async () => first.steps()).toEqual(numbers(1, 20));
    await writeFile(path.join(runDirectory, 'metrics.jsonl'), 'not what it was');
    const second = await reader(live.url);
    await eventually(async () => second.steps()).toEqual(numbers(1, 20));
  });

  test('of a long run get no more of it than a page shows', async () => {
    const { live, write } = await served();
    const early = await reader(live.url);
    await write(startLine({ steps: 100_000 }), validationLine(0, 4));
    await eventually(async () => early.events.length).toBeGreaterThan(0);
    const text = (step: number): MetricsLine => ({ kind: 'sample', step, text: 'a text' });
    for (let step = 1; step <= 20_000; step += 100)
      await write(...steps(step, step + 99), text(step), validationLine(step, 2));
    for (let step = 20_001; step <= 20_300; step++) await write(text(step));
    // News go out a few times a second: more of them than are kept, so that who comes now gets a new history.
    await eventually(async () => early.steps().at(-1)).toBe(20_000);
    const late = await reader(live.url);
    await eventually(async () => late.events.length).toBeGreaterThan(0);
    const [event] = late.events;
    if (event?.kind !== 'history') throw new Error('expected the history first');
    expect(event.run.steps.step.length).toBeGreaterThan(2000);
    expect(event.run.steps.step.length).toBeLessThanOrEqual(4000);
    expect(event.run.steps.step.at(-1)).toBe(20_000);
    expect(event.run.samples).toHaveLength(200);
    expect(live.load.messageBytes).toBeLessThan(4 << 20);
  });
});

describe('beside connections that do not read', () => {
  test('streams are limited, and who comes too late is told when to come again', async () => {
    const { live, write } = await served();
    await write(startLine({ steps: 1000 }), ...steps(1, 20), validationLine(20, 3));
    const clients = await stall(live.url, 200);
    expect(clients.filter(({ status }) => status === 200)).toHaveLength(mostStreams);
    const refused = clients.filter(({ status }) => status !== 200);
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([503]));
    expect(refused[0]!.head).toMatch(/^retry-after: 30\r$/im);
    expect(refused[0]!.head).toMatch(/the page is open 32 times already, and no more are served: close one of them$/);
    expect(live.load.streams).toBe(mostStreams);
    // Room comes back with each that goes.
    for (const { socket } of clients) socket.destroy();
    await eventually(async () => live.load).toEqual({ streams: 0, messageBytes: 0, unreadBytes: [] });
    expect((await stall(live.url, 1))[0]!.status).toBe(200);
  });

  test('what is kept for them does not grow, whatever the run writes', async () => {
    const { live, write } = await served();
    await write(startLine({ steps: 100_000 }), validationLine(0, 4));
    const clients = await stall(live.url, 300);
    // 20 MB for every stream, far beyond what the system buffers.
    const text = 'x'.repeat(1 << 18);
    const sizes: number[] = [];
    for (let step = 1; step <= 80; step++) {
      await write({ kind: 'sample', step, text });
      await press(live.url, 'pause'); // tells everybody at once, so that no clock is needed
      const { messageBytes, unreadBytes } = live.load;
      sizes.push(messageBytes);
      // Of one message each.
      expect(Math.max(...unreadBytes)).toBeLessThan(1.1 * text.length);
    }
    const { streams, unreadBytes } = live.load;
    expect(streams).toBe(mostStreams);
    expect(unreadBytes.every((bytes) => bytes > 0)).toBe(true);
    expect(Math.max(...sizes)).toBeLessThan(5 * text.length);
    // One that reads after all is sent how it stands now, in place of what it missed.
    const { socket } = clients.find(({ status }) => status === 200)!;
    let snapshots = 0;
    let knowsAll = false;
    socket.on('data', (piece) => {
      if (piece.includes('"kind":"history"')) snapshots++;
      knowsAll ||= piece.includes('"progress":{"state":"running","step":80,');
    });
    socket.resume();
    await eventually(async () => knowsAll).toBe(true);
    expect(snapshots).toBeGreaterThan(0);
  });

  test('training does every step, and the same ones', async () => {
    const config = async (): Promise<TrainConfigInput> => ({
      model: { preset: 'gpt2-tiny', vocabSize: 64, nEmbd: 32, contextLength: 16 },
      data: { train: [await tokenFile()] },
      output: path.join(await temporaryDirectory(), 'run'),
      steps: 40,
      batchSize: 2,
      threads: 1,
      log: { peakFlops: 1e11 },
    });
    const train = async (given: TrainConfigInput, onLine?: (line: MetricsLine) => void) => {
      await using trainer = new Trainer(given, onLine && { onLine });
      const losses: number[] = [];
      for await (const { loss } of trainer.run()) losses.push(loss);
      return losses;
    };
    const alone = await train(await config());
    const given = await config();
    const { live } = await served({ runDirectory: given.output });
    const clients = await stall(live.url, 300);
    expect(await train(given, (line) => live.take(line))).toEqual(alone);
    expect(alone).toHaveLength(40);
    expect(clients.filter(({ socket }) => !socket.destroyed).length).toBeGreaterThanOrEqual(mostStreams);
    expect(live.load.streams).toBe(mostStreams);
  });

  test('the end is told to those who read, and waits for nobody', async () => {
    const { live, write } = await served();
    await write(startLine({ steps: 1000 }), ...steps(1, 20), validationLine(20, 3));
    const { steps: known, ended } = await reader(live.url);
    await eventually(async () => known()).toEqual(numbers(1, 20));
    const clients = await stall(live.url, 100);
    await write(...steps(21, 30), { kind: 'warning', step: 30, text: 'flush' });
    await live.close();
    await ended;
    expect(known()).toEqual(numbers(1, 30));
    // They are cut off: not one of them had to read or to go.
    for (const { socket } of clients) {
      if (socket.destroyed) continue;
      const closed = once(socket, 'close');
      socket.resume();
      await closed;
    }
  });
});

async function tokenFile(): Promise<string> {
  const file = path.join(await temporaryDirectory(), 'tokens.bin');
  await writeFile(
    file,
    Uint16Array.from({ length: 4000 }, (_, i) => (i * 7 + (i >> 4)) % 50),
  );
  return file;
}

describe('who may ask', () => {
  test.each([
    ['no token', 'GET', '/events', {}],
    ['another token', 'GET', '/events', { authorization: `Bearer ${'a'.repeat(32)}` }],
    ['a shorter one', 'POST', '/stop', { authorization: 'Bearer ' }],
    ['another scheme', 'POST', '/stop', { authorization: 'Basic dXNlcjpwYXNz' }],
    ['a form of another site', 'POST', '/stop', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['a script of another site', 'OPTIONS', '/stop', { origin: 'http://evil.example' }],
  ])('not %s', async (_, method, target, headers) => {
    const { at } = await served();
    const response = await fetch(at(target), { method, headers });
    expect(response.status).toBe(401);
    expect(response.headers.get('access-control-allow-origin')).toBe(null);
    expect(await response.text()).toBe('not allowed: open the address that burgeon printed');
  });

  test.each(['Bearer ', 'bearer ', 'BEARER ', 'Bearer   '])('the token, after %j', async (scheme) => {
    const { at, token } = await served();
    const ask = async (given: string) =>
      (await fetch(at('/none'), { method: 'POST', headers: { authorization: given } })).status;
    expect(await ask(`${scheme}${token}`)).toBe(404);
    expect(await ask(`${scheme}${token.toLowerCase()}x`)).toBe(401);
    expect(await ask(`${scheme.trim()}${token}`)).toBe(401);
  });

  test('nor a token in the address, which others see', async () => {
    const { at, token } = await served();
    expect((await fetch(at(`/events?token=${token}`))).status).toBe(401);
  });

  /** The status of a request under another name. */
  async function statusUnder(host: string, port: number): Promise<number | undefined> {
    const [response] = await once(http.get({ port, host: '127.0.0.1', headers: { host } }), 'response');
    response.resume();
    return response.statusCode;
  }

  test('only under the names of this machine, where it is for this machine only', async () => {
    const { port } = await served();
    for (const name of [
      `evil.example:${port}`,
      'evil.example',
      '127.0.0.1.evil.example',
      'localhost.evil.example:80',
    ]) {
      expect([name, await statusUnder(name, port)]).toEqual([name, 403]);
    }
    for (const name of [`127.0.0.1:${port}`, 'localhost', `LocalHost:${port}`, `[::1]:${port}`]) {
      expect([name, await statusUnder(name, port)]).toEqual([name, 200]);
    }
    const elsewhere = await served({ host: '0.0.0.0' });
    expect(await statusUnder(`our.machine:${elsewhere.port}`, elsewhere.port)).toBe(200);
  });

  test('the page has nothing of the run, and nobody may frame, keep or guess at an answer', async () => {
    const { live, write, at, headers, token } = await served();
    await write(startLine({ steps: 1000 }), { kind: 'sample', step: 0, text: 'a secret text' });
    const page = await fetch(at('/'));
    const text = await page.text();
    expect(text).not.toContain(token);
    expect(text).not.toContain('a secret text');
    expect(text).toMatch(/script-src 'sha256-[\w+/=]+';/);
    const answers = [
      page,
      await fetch(at('/nothing'), { headers }),
      await press(live.url, 'nothing'),
      await press(live.url, 'pause'),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 404, 404, 200]);
    for (const { headers: told } of answers) {
      expect(Object.fromEntries(told)).toMatchObject({
        'content-security-policy': "frame-ancestors 'none'",
        'x-frame-options': 'DENY',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cache-control': 'no-store',
      });
    }
  });
});

describe('the token', () => {
  test('is kept once the run begins, and for its owner only', async () => {
    const runDirectory = await temporaryDirectory();
    const { write, token } = await served({ runDirectory });
    const file = path.join(runDirectory, '.burgeon.token');
    await expect(stat(file)).rejects.toThrow('ENOENT');
    await write(startLine());
    await eventually(() => readFile(file, 'utf8').catch(() => '')).toBe(token);
    expect((await served({ runDirectory })).token).toBe(token);
    if (process.platform === 'win32') return;
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    // One that others could read is no secret.
    await chmod(file, 0o644);
    const again = await served({ runDirectory });
    expect(again.token).not.toBe(token);
    await again.write(startLine());
    await eventually(() => readFile(file, 'utf8')).toBe(again.token);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });
});
