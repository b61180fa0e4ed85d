// npm run bench -- report: what looking at a run costs. How long a metrics file of a million steps takes to open, and what
// share of a step's time logging, live page and event file take at 50 steps per second: the time that this process's event
// loop is at work, over steps that compute nothing, with them and without, in turn. A second process reads the page's events.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeMachine } from '../lib/bench/machine.ts';
import { spreadOf, timeInTurn } from '../lib/bench/statistics.ts';
import { LiveServer } from '../lib/report/live-server.ts';
import { readRun } from '../lib/report/read-run.ts';
import { EventFile } from '../lib/report/tensorboard.ts';
import { MemoryGauge } from '../lib/train/memory-gauge.ts';
import { type MetricsLine, MetricsWriter } from '../lib/train/metrics.ts';
import { newUnitSums, UnitUsage } from '../lib/train/unit-usage.ts';
import { liveAddress } from '../test/helpers/live.ts';
import { startLine, stepLine } from '../test/report/metrics-lines.ts';
import { saveResults } from './harness/results.ts';

const stepsPerSecond = 50;
const stepsPerWindow = 100;
const windows = 8;
const openings = 5;

type Part = 'metrics' | 'live' | 'events';

const variants: { name: string; parts: Part[] }[] = [
  { name: 'nothing', parts: [] },
  { name: 'metrics.jsonl', parts: ['metrics'] },
  { name: 'metrics.jsonl and the live page', parts: ['metrics', 'live'] },
  { name: 'metrics.jsonl, the live page and an event file', parts: ['metrics', 'live', 'events'] },
];

export async function benchReport(): Promise<void> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-bench-'));
  try {
    const open = await timeOpening(path.join(directory, 'million'));
    console.log(
      `a file of 1,000,000 steps, ${(open.bytes / 1e6).toFixed(0)} MB, opens in ${open.seconds.map((s) => s.toFixed(2)).join(', ')} s`,
    );
    const samples = (await timeInTurn(
      variants.map(
        ({ parts }, i) =>
          () =>
            timeWindow(path.join(directory, String(i)), parts),
      ),
      windows,
    ))!;
    const stepMs = 1000 / stepsPerSecond;
    const [base] = samples.map((ms) => spreadOf(ms));
    const results = variants.map(({ name }, i) => {
      // What else runs on the machine only adds: the lower quartile is the least disturbed that is no accident.
      const share = (spreadOf(samples[i]!).low - base!.low) / stepMs;
      if (i > 0) console.log(`${name}: ${(100 * share).toFixed(2)} % of a step of ${stepMs} ms`);
      return { name, msPerStep: samples[i]!, shareOfStep: share };
    });
    await saveResults('report', await describeMachine({ device: 'cpu', threads: os.availableParallelism() }), {
      open,
      overhead: results,
    });
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function timeOpening(directory: string): Promise<{ bytes: number; seconds: number[] }> {
  await mkdir(directory);
  const file = path.join(directory, 'metrics.jsonl');
  const stream = createWriteStream(file);
  const digits = (step: number) => 2 + Math.sin(step) / 7;
  let text = `${JSON.stringify(startLine({ steps: 1_000_000 }))}\n`;
  for (let step = 1; step <= 1_000_000; step++) {
    const noisy = {
      gradientNorm: digits(step + 1),
      learningRate: digits(step) / 1e4,
      ms: digits(2 * step),
      mfu: digits(3 * step),
    };
    text += `${JSON.stringify(stepLine(step, digits(step), noisy))}\n`;
    if (text.length < 1e6) continue;
    if (!stream.write(text)) await once(stream, 'drain');
    text = '';
  }
  stream.end(text);
  await once(stream, 'finish');
  const seconds: number[] = [];
  for (let i = 0; i < openings; i++) {
    const start = performance.now();
    await readRun(directory);
    seconds.push((performance.now() - start) / 1000);
  }
  return { bytes: (await stat(file)).size, seconds };
}

/** Milliseconds per step that the event loop is at work, in one window of steps. */
async function timeWindow(directory: string, parts: readonly Part[]): Promise<number> {
  // As of a GPT-2 124M: 12 layers of 12 heads.
  const start = startLine({ steps: 1_000_000, model: 'gpt2' });
  const model = { ...start.model, nLayer: 12, nHead: 12 };
  const units = new UnitUsage(model, newUnitSums(model));
  const memory = new MemoryGauge();
  let step = 0;
  const live = parts.includes('live')
    ? await LiveServer.start({
        runDirectory: directory,
        port: 0,
        controls: { pause: () => '', resume: () => '', checkpoint: async () => '', stop: () => '' },
        progress: () => ({ state: 'running', step, steps: 1_000_000, etaMs: 1 }),
        units: () => units,
      })
    : undefined;
  const events = parts.includes('events') ? await EventFile.create(directory) : undefined;
  const onLine = (line: MetricsLine) => {
    live?.take(line);
    events?.take(line);
  };
  const metrics = parts.includes('metrics') ? await MetricsWriter.open(directory, 0, onLine) : undefined;
  metrics?.write(start);
  const reader = live && (await readElsewhere(live.url));
  const take = async (steps: number) => {
    for (let i = 0; i < steps; i++) {
      units.begin();
      units.add(undefined, 1);
      units.end();
      step++;
      const numbers = { gradientNorm: Math.cos(step), rssBytes: memory.bytes };
      metrics?.write(stepLine(step, 3 + Math.sin(step), numbers));
      await sleep(1000 / stepsPerSecond);
    }
  };
  try {
    await take(stepsPerSecond / 2);
    const before = performance.eventLoopUtilization();
    await take(stepsPerWindow);
    return performance.eventLoopUtilization(before).active / stepsPerWindow;
  } finally {
    reader?.kill();
    await live?.close();
    await events?.close();
    await metrics?.close();
  }
}

/** Reads events in a process of its own, as a browser does; resolves with the first. */
async function readElsewhere(url: string) {
  const { at, headers } = liveAddress(url);
  const asked = `await fetch(${JSON.stringify(at('/events'))}, { headers: ${JSON.stringify(headers)} })`;
  const program = `for await (const _ of (${asked}).body) process.stdout.write('.');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(child.stdout, 'data');
  return child;
}
