// npm run bench -- report: what looking at a run costs. How long a metrics file of a million steps takes to open, and what
// share of a step's time logging, live page and event file take at 50 steps per second: the time that this process's event
// loop is at work, over steps that compute nothing, with them and without. A second process reads the page's events.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeMachine } from '../lib/bench/machine.ts';
import { spreadOf } from '../lib/bench/statistics.ts';
import { LiveServer } from '../lib/report/live-server.ts';
import { readRun } from '../lib/report/read-run.ts';
import { EventFile } from '../lib/report/tensorboard.ts';
import { MemoryGauge } from '../lib/train/memory-gauge.ts';
import { type MetricsLine, MetricsWriter } from '../lib/train/metrics.ts';
import { newUnitSums, UnitUsage } from '../lib/train/unit-usage.ts';
import { startLine, stepLine } from '../test/report/metrics-lines.ts';
import { saveResults } from './harness/results.ts';

const stepsPerSecond = 50;
const stepsPerRound = 250;
const rounds = 5;

export async function benchReport(): Promise<void> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'burgeon-bench-'));
  try {
    const open = await timeOpening(path.join(directory, 'million'));
    console.log(
      `a file of 1,000,000 steps, ${(open.bytes / 1e6).toFixed(0)} MB, opens in ${open.seconds.map((s) => s.toFixed(2)).join(', ')} s`,
    );
    const without = await timeSteps(path.join(directory, 'without'), []);
    const results: Record<string, unknown> = { open, without };
    for (const [name, parts] of [
      ['metrics.jsonl', ['metrics']],
      ['and the live page', ['metrics', 'live']],
      ['and an event file', ['metrics', 'live', 'events']],
    ] as const) {
      const samples = await timeSteps(path.join(directory, parts.join('-')), parts);
      const share = samples.map((ms, i) => (ms - without[i]!) / (1000 / stepsPerSecond));
      const { median, low, high } = spreadOf(share);
      const percent = (value: number) => `${(100 * value).toFixed(2)} %`;
      console.log(
        `${name}: ${percent(median)} of a step of ${1000 / stepsPerSecond} ms (${percent(low)} to ${percent(high)})`,
      );
      results[name] = { msPerStep: samples, shareOfStep: share };
    }
    await saveResults('report', await describeMachine(os.availableParallelism()), results);
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
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    await readRun(directory);
    seconds.push((performance.now() - start) / 1000);
  }
  return { bytes: (await stat(file)).size, seconds };
}

/** Milliseconds per step that the event loop is at work, per round. */
async function timeSteps(directory: string, parts: readonly ('metrics' | 'live' | 'events')[]): Promise<number[]> {
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
  const reader = live && readElsewhere(`${live.url}events`);
  const samples: number[] = [];
  try {
    await sleep(1000);
    for (let round = 0; round < rounds; round++) {
      const before = performance.eventLoopUtilization();
      for (let i = 0; i < stepsPerRound; i++) {
        units.begin();
        units.add(undefined, 1);
        units.end();
        step++;
        metrics?.write(stepLine(step, 3 + Math.sin(step), { gradientNorm: Math.cos(step), rssBytes: memory.bytes }));
        await sleep(1000 / stepsPerSecond);
      }
      samples.push(performance.eventLoopUtilization(before).active / stepsPerRound);
    }
  } finally {
    reader?.kill();
    await live?.close();
    await events?.close();
    await metrics?.close();
  }
  return samples;
}

/** Reads events in a process of its own, as a browser does. */
function readElsewhere(url: string) {
  const program = `for await (const _ of (await fetch(${JSON.stringify(url)})).body);`;
  return spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'ignore' });
}
