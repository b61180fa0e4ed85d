// npm run test:load: a real training run beside 1,000 clients of its live page that ask for its events and read nothing. Prints
// steps per second and memory in stretches with and without them, in turn, and how long the run takes to end by SIGTERM while
// they hold their connections. The clients live in this process, so what they cost themselves is not the run's.
// On a machine that does nothing else: the two stretches of a pair are compared.

import { type ChildProcess, spawn } from 'node:child_process';
import { once, setMaxListeners } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { bytes, duration, percent } from '../../lib/format.ts';
import { prepare } from '../../lib/prepare/prepare.ts';
import type { StepRecord } from '../../lib/train/trainer.ts';
import { main } from '../helpers/cli.ts';
import { stalledClient } from '../helpers/live.ts';
import { someText } from '../train/helpers.ts';

const clientCount = 1000;
const pairs = 3;
/** So long that those who are refused come again in it. */
const stretchMs = 30_000;
/** Steps before the first stretch: a history worth sending. */
const warmSteps = 1000;
const wantedShare = 0.9;
/** As long as a timer can wait. */
const forever = 2 ** 31 - 1;

/** A run of about a hundred steps per second. */
const settings = {
  model: { preset: 'gpt2-tiny', nEmbd: 128, nLayer: 4, contextLength: 64 },
  data: { directory: 'data' },
  output: 'run',
  steps: 10_000_000,
  batchSize: 4,
  est: { schedule: 'dense' },
  evaluation: { every: 500, windows: 8 },
  sample: { every: 500, length: 40 },
  log: { peakFlops: 1e11 },
};

interface Training {
  child: ChildProcess;
  url: string;
  /** Steps told so far, and the memory of the process at the last. */
  told: { steps: number; rssBytes: number };
}

async function startTraining(directory: string): Promise<Training> {
  await writeFile(path.join(directory, 'text.txt'), someText());
  await prepare({
    inputs: [path.join(directory, 'text.txt')],
    output: path.join(directory, 'data'),
    tokenizer: 'chars',
  });
  await writeFile(path.join(directory, 'train.yaml'), stringify(settings));
  const child = spawn(process.execPath, [main, 'train', 'train.yaml', '--json', '--dashboard', '0'], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const told = { steps: 0, rssBytes: 0 };
  createInterface(child.stdout).on('line', (line) => {
    const { step, rssBytes }: Partial<StepRecord> = JSON.parse(line);
    if (step !== undefined) Object.assign(told, { steps: step, rssBytes });
  });
  const url = await new Promise<string>((resolve, reject) => {
    createInterface(child.stderr).on('line', (line) => {
      const found = /^live page: (http:\S+)/.exec(line);
      if (found) resolve(found[1]!);
      else console.error(line);
    });
    child.on('close', () => reject(new Error('the training ended before it had a page')));
  });
  return { child, url, told };
}

/** Clients that come again when their connection is cut, as pages do. */
class Clients {
  readonly answers = new Map<string, number>();
  readonly #leaving = new AbortController();
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
    setMaxListeners(Infinity, this.#leaving.signal);
    for (let i = 0; i < clientCount; i++) void this.#stay();
  }

  leave(): void {
    this.#leaving.abort();
  }

  async #stay(): Promise<void> {
    const { signal } = this.#leaving;
    while (!signal.aborted) {
      const { socket, status, head } = await stalledClient(this.#url);
      const answer = String(status ?? 'cut off');
      this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
      const waitMs = 1000 * Number(/^retry-after: (\d+)/im.exec(head)?.[1] ?? 1);
      // What is not read tells nothing of its end: those who have a stream keep it until they leave.
      await sleep(status === 200 ? forever : waitMs, undefined, { signal }).catch(() => {});
      socket.destroy();
    }
  }
}

async function stretch({ told }: Training): Promise<{ stepsPerSecond: number; rssBytes: number }> {
  const before = { steps: told.steps, at: performance.now() };
  await sleep(stretchMs);
  const seconds = (performance.now() - before.at) / 1000;
  return { stepsPerSecond: (told.steps - before.steps) / seconds, rssBytes: told.rssBytes };
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

async function measure(training: Training): Promise<number> {
  while (training.told.steps < warmSteps) await sleep(100);
  const shares: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const alone = await stretch(training);
    const clients = new Clients(training.url);
    await sleep(1000);
    const beside = await stretch(training);
    clients.leave();
    await sleep(1000);
    shares.push(beside.stepsPerSecond / alone.stepsPerSecond);
    const answers = [...clients.answers].map(([answer, count]) => `${count} x ${answer}`).join(', ');
    console.log(
      `alone ${alone.stepsPerSecond.toFixed(1)} steps/s, ${bytes(alone.rssBytes)}; beside ${clientCount} clients ` +
        `${beside.stepsPerSecond.toFixed(1)} steps/s, ${bytes(beside.rssBytes)}: ${percent(shares.at(-1)!)} (answers: ${answers})`,
    );
  }
  return median(shares);
}

async function timeEnd({ child, url }: Training): Promise<number> {
  const clients = new Clients(url);
  await sleep(2000);
  const start = performance.now();
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
  clients.leave();
  return performance.now() - start;
}

const directory = await mkdtemp(path.join(tmpdir(), 'burgeon-load-'));
let training: Training | undefined;
try {
  training = await startTraining(directory);
  const share = await measure(training);
  const endMs = await timeEnd(training);
  console.log(
    `median of ${pairs} pairs: ${percent(share)} of the steps; SIGTERM beside ${clientCount} clients: ended in ${duration(endMs)}`,
  );
  if (share < wantedShare) {
    console.log(`expected ${percent(wantedShare)} or more: is the machine busy with something else?`);
    process.exitCode = 1;
  }
} finally {
  training?.child.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
}
