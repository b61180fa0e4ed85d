// The dashboard's server: what its readers are told, and who may read. Runs are files and locks here; none is trained.

import { rm, truncate } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DashboardServer } from '../../../lib/report/dashboard/dashboard-server.ts';
import type { DashboardEvent, LiveEvent, RunOverview } from '../../../lib/report/live-events.ts';
import { mostStreams } from '../../../lib/report/live-streams.ts';
import type { ReportData } from '../../../lib/report/page-data.ts';
import { temporaryDirectory } from '../../checkpoint/helpers.ts';
import { eventually } from '../../helpers/browser.ts';
import { liveAddress, stalledClients } from '../../helpers/live.ts';
import { endLine, linesOfRun, stepsOf, testRun } from '../dashboard-runs.ts';
import { startLine, textOf, validationLine } from '../metrics-lines.ts';

async function dashboardOf(directory: string) {
  const server = await DashboardServer.start({ directory, port: 0 });
  onTestFinished(() => server.close());
  return { server, ...liveAddress(server.url) };
}

/** Reads the events at a path; `last` is the newest one. */
async function reader<Event>(url: string, events = '/events') {
  const { at, headers } = liveAddress(url);
  const going = new AbortController();
  onTestFinished(() => going.abort());
  const { body, status } = await fetch(at(events), { headers, signal: going.signal });
  const heard: Event[] = [];
  const read = async () => {
    let text = '';
    for await (const piece of body!.pipeThrough(new TextDecoderStream())) {
      const whole = (text + piece).split('\n\n');
      text = whole.pop()!;
      for (const event of whole) if (event.startsWith('data: ')) heard.push(JSON.parse(event.slice(6)));
    }
  };
  const ended = read().catch(() => {});
  return { status, heard, ended, last: () => heard.at(-1), leave: () => going.abort() };
}

/** Runs of the newest list, by name. */
const listed = ({ last }: { last(): DashboardEvent | undefined }) =>
  Object.fromEntries((last()?.runs ?? []).map((run) => [run.name, run]));

/** Steps that a reader of a run knows, in the order they came since its newest history. */
function stepsKnown({ heard }: { heard: LiveEvent[] }): (number | null)[] {
  const from = heard.findLastIndex(({ kind }) => kind === 'history');
  return heard
    .slice(Math.max(0, from))
    .flatMap((event) =>
      event.kind === 'history'
        ? event.run.steps.step
        : event.lines.flatMap((line) => (line.kind === 'step' ? [line.step] : [])),
    );
}

const numbers = (to: number) => Array.from({ length: to }, (_, i) => i + 1);

describe('the list', () => {
  test('has all runs, with what became of them', async () => {
    const root = await temporaryDirectory();
    await testRun(root, 'done', linesOfRun(30));
    await testRun(root, 'killed', linesOfRun(30, 7));
    const reason = { kind: 'warning', step: 3, text: 'loss: computed nan' } as const;
    await testRun(root, 'sweep/low/seed1', [...linesOfRun(30, 3), reason, endLine(3, 'failed')]);
    await (await testRun(root, 'going', linesOfRun(30, 9))).hold();
    const { server } = await dashboardOf(root);
    const list = await reader<DashboardEvent>(server.url);
    await eventually(async () => Object.keys(listed(list)).sort()).toEqual([
      'done',
      'going',
      'killed',
      'sweep/low/seed1',
    ]);
    expect(listed(list)).toMatchObject({
      done: { state: 'complete', step: 30, steps: 30, heldOut: 2.5 },
      going: { state: 'running', step: 9, reason: null },
      killed: { state: 'stopped', step: 7, reason: expect.stringContaining('--resume') },
      'sweep/low/seed1': { state: 'failed', step: 3, reason: 'loss: computed nan' },
    } satisfies Record<string, Partial<RunOverview>>);
  });

  test('follows runs that begin, go on, end and are deleted', async () => {
    const root = await temporaryDirectory();
    const { server } = await dashboardOf(root);
    const list = await reader<DashboardEvent>(server.url);
    await eventually(async () => list.last()?.runs).toEqual([]);
    const run = await testRun(root, 'new');
    const release = await run.hold();
    const state = async () => {
      const { new: found } = listed(list);
      return found && `${found.state} ${found.step}`;
    };
    await eventually(state).toBe('running 0');
    await run.write(...linesOfRun(30, 5));
    await eventually(state).toBe('running 5');
    await run.write(...stepsOf(6, 30), endLine(30, 'complete'));
    await release();
    await eventually(state).toBe('complete 30');
    await rm(run.directory, { recursive: true });
    await eventually(async () => list.last()?.runs).toEqual([]);
  });

  test('is told again only when something has changed, and to all at once', async () => {
    const root = await temporaryDirectory();
    const run = await testRun(root, 'a', linesOfRun(30, 5));
    const { server } = await dashboardOf(root);
    const [first, second] = [await reader<DashboardEvent>(server.url), await reader<DashboardEvent>(server.url)];
    await eventually(async () => [first.heard.length, second.heard.length]).toEqual([1, 1]);
    await run.write(...stepsOf(6, 8));
    await eventually(async () => [listed(first).a?.step, listed(second).a?.step]).toEqual([8, 8]);
    expect([first.heard.length, second.heard.length]).toEqual([2, 2]);
  });

  test('of a hundred runs', async () => {
    const root = await temporaryDirectory();
    const lines = linesOfRun(200);
    await Promise.all(Array.from({ length: 100 }, (_, i) => testRun(root, `sweep${i % 10}/run${i}`, lines)));
    const { server } = await dashboardOf(root);
    const list = await reader<DashboardEvent>(server.url);
    await eventually(async () => list.last()?.runs.length).toBe(100);
    expect(list.last()!.runs.every(({ state, step }) => state === 'complete' && step === 200)).toBe(true);
    expect(JSON.stringify(list.last()).length).toBeLessThan(50_000);
  });
});

describe('a run', () => {
  test('is followed from its history on, every line once', async () => {
    const root = await temporaryDirectory();
    const run = await testRun(root, 'sweep/a b', linesOfRun(100, 20));
    await run.hold();
    const { server } = await dashboardOf(root);
    const first = await reader<LiveEvent>(server.url, '/events/sweep/a%20b');
    await eventually(async () => stepsKnown(first)).toEqual(numbers(20));
    await run.write(...stepsOf(21, 40), validationLine(40, 2.9));
    const second = await reader<LiveEvent>(server.url, '/events/sweep/a%20b');
    for (const page of [first, second]) {
      await eventually(async () => stepsKnown(page)).toEqual(numbers(40));
      await eventually(async () => page.last()?.progress).toMatchObject({ state: 'running', step: 40, steps: 100 });
    }
    expect(first.heard.filter(({ kind }) => kind === 'history')).toHaveLength(1);
  });

  test('has no gap for a page that comes when another has left and the list went on', async () => {
    const root = await temporaryDirectory();
    const run = await testRun(root, 'a', linesOfRun(100, 20));
    const { server } = await dashboardOf(root);
    const list = await reader<DashboardEvent>(server.url);
    const first = await reader<LiveEvent>(server.url, '/events/a');
    await eventually(async () => stepsKnown(first)).toEqual(numbers(20));
    first.leave();
    await first.ended;
    await run.write(...stepsOf(21, 60));
    await eventually(async () => listed(list).a?.step).toBe(60);
    await run.write(...stepsOf(61, 70));
    const second = await reader<LiveEvent>(server.url, '/events/a');
    await eventually(async () => stepsKnown(second)).toEqual(numbers(70));
  });

  test('begins anew for its pages when it goes on from a checkpoint', async () => {
    const root = await temporaryDirectory();
    const run = await testRun(root, 'a', linesOfRun(100, 20));
    const { server } = await dashboardOf(root);
    const page = await reader<LiveEvent>(server.url, '/events/a');
    await eventually(async () => stepsKnown(page)).toEqual(numbers(20));
    // As `--resume` does it: lines after the checkpoint are cut, and the next process begins.
    const kept = textOf(linesOfRun(100, 10));
    await truncate(run.file, Buffer.byteLength(kept));
    await run.write(startLine({ steps: 100 }, 10), ...stepsOf(11, 15));
    await eventually(async () => stepsKnown(page)).toEqual(numbers(15));
    await run.write(...stepsOf(16, 30));
    await eventually(async () => stepsKnown(page)).toEqual(numbers(30));
  });

  test('that is deleted ends its pages, and is not to be found then', async () => {
    const root = await temporaryDirectory();
    const run = await testRun(root, 'a', linesOfRun(30));
    const { server, at, headers } = await dashboardOf(root);
    const page = await reader<LiveEvent>(server.url, '/events/a');
    await eventually(async () => page.heard.length).toBeGreaterThan(0);
    await rm(run.directory, { recursive: true });
    await page.ended;
    const response = await fetch(at('/events/a'), { headers });
    expect([response.status, await response.text()]).toEqual([404, `there is no run a in ${root}`]);
  });
});

describe('a comparison', () => {
  test('has the runs in the order they were asked for, as they are now', async () => {
    const root = await temporaryDirectory();
    const run = await testRun(root, 'a', linesOfRun(30, 20));
    await testRun(root, 'sweep/b & c', linesOfRun(30));
    const { at, headers } = await dashboardOf(root);
    const report = async () =>
      (await (await fetch(at('/report/sweep%2Fb%20%26%20c&a'), { headers })).json()) as ReportData;
    const { kind, runs, written } = await report();
    expect([kind, runs.map(({ name, step }) => [name, step])]).toEqual([
      'report',
      [
        ['b & c', 30],
        ['a', 20],
      ],
    ]);
    expect(Date.parse(written)).toBeGreaterThan(0);
    await run.write(...stepsOf(21, 25));
    expect((await report()).runs[1]!.step).toBe(25);
  });

  test('is refused for what is no run, for too many, and without the token', async () => {
    const root = await temporaryDirectory();
    await testRun(root, 'a', linesOfRun(30));
    const { at, headers } = await dashboardOf(root);
    const answer = async (names: string, init: RequestInit = { headers }) => {
      const response = await fetch(at(`/report${names}`), init);
      return [response.status, await response.text()];
    };
    expect(await answer('/a&..%2Fa')).toEqual([404, `there is no run ../a in ${root}`]);
    expect(await answer('')).toEqual([404, `there is no run  in ${root}`]);
    expect(await answer(`/${Array(65).fill('a').join('&')}`)).toEqual([
      400,
      'expected at most 64 runs to compare, received 65',
    ]);
    expect((await answer('/a', {}))[0]).toBe(401);
    expect((await fetch(at('/compare/a'))).status).toBe(200);
  });
});

describe('who may ask', () => {
  test('those with the token, which stays with the directory', async () => {
    const root = await temporaryDirectory();
    await testRun(root, 'a', linesOfRun(30));
    const { server, at, headers, token } = await dashboardOf(root);
    for (const address of ['/events', '/events/a']) expect((await fetch(at(address))).status).toBe(401);
    for (const address of ['/', '/run/a', '/run/none']) {
      const page = await fetch(at(address));
      expect([page.status, page.headers.get('x-frame-options')]).toEqual([200, 'DENY']);
      expect(await page.text()).not.toContain(token);
    }
    for (const method of ['POST', 'DELETE']) {
      expect((await fetch(at('/events/a'), { method, headers })).status).toBe(404);
    }
    await server.close();
    const { token: next } = await dashboardOf(root);
    expect(next).toBe(token);
  });

  test.each(['..%2fa', '%2e%2e%2fa', 'b', '/etc/passwd', '%', 'a/', 'a/metrics.jsonl'])(
    'not for what is no run: %s',
    async (name) => {
      const root = await temporaryDirectory();
      const inside = path.join(root, 'inside');
      await testRun(root, 'a', linesOfRun(30));
      await testRun(inside, 'a', linesOfRun(30));
      const { at, headers } = await dashboardOf(inside);
      expect((await fetch(at(`/events/${name}`), { headers })).status).toBe(404);
    },
  );

  test('as many at once as a live page has room for', async () => {
    const root = await temporaryDirectory();
    await testRun(root, 'a', linesOfRun(30));
    const { server, at, headers } = await dashboardOf(root);
    const clients = await stalledClients(server.url, 40);
    onTestFinished(() => clients.forEach(({ socket }) => void socket.destroy()));
    expect(clients.filter(({ status }) => status === 200)).toHaveLength(mostStreams);
    expect((await fetch(at('/events/a'), { headers })).status).toBe(503);
  });
});
