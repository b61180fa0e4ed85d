// What the list says of a run: state, reason, time left, what is saved.

import { describe, expect, test } from 'vitest';
import { RunDigest } from '../../../lib/report/dashboard/run-digest.ts';
import { planOf } from '../../../lib/report/stage-rows.ts';
import type { MetricsLine } from '../../../lib/train/metrics.ts';
import { endLine, linesOfRun, stepsOf } from '../dashboard-runs.ts';
import { startLine } from '../metrics-lines.ts';

function overview(lines: readonly MetricsLine[], isHeld = false) {
  const digest = new RunDigest();
  for (const line of lines) {
    if (line.kind === 'step') digest.takeStep(JSON.stringify(line));
    else digest.take(line);
  }
  return digest.overview('run', { isHeld, changedMs: 5.4 });
}

const failed: MetricsLine[] = [{ kind: 'warning', step: 7, text: 'loss: computed nan' }, endLine(7, 'failed')];

describe('states', () => {
  test.each<[string, readonly MetricsLine[], boolean, string, string | null]>([
    ['a process that has written nothing', [], true, 'running', null],
    ['one that trains', linesOfRun(30, 7), true, 'running', null],
    [
      'one that was killed',
      linesOfRun(30, 7),
      false,
      'stopped',
      'ended without a word, as when it is killed; --resume goes on',
    ],
    ['one that was stopped', [...linesOfRun(30, 7), endLine(7, 'stopped')], false, 'stopped', null],
    ['one that failed', [...linesOfRun(30, 7), ...failed], false, 'failed', 'loss: computed nan'],
    [
      'one that failed and says no more',
      [...linesOfRun(30, 7), endLine(7, 'failed')],
      false,
      'failed',
      'no reason given',
    ],
    [
      'one that goes on after it failed',
      [...linesOfRun(30, 7), ...failed, startLine({ steps: 30 }, 5)],
      true,
      'running',
      null,
    ],
    ['one that is complete', linesOfRun(30), false, 'complete', null],
    ['one that is complete and does not say so', linesOfRun(30).slice(0, -1), false, 'complete', null],
    ['one that has ended and still cleans up', linesOfRun(30), true, 'complete', null],
  ])('%s', (_, lines, isHeld, state, reason) => {
    expect(overview(lines, isHeld)).toMatchObject({ state, reason });
  });
});

test('losses, steps and time of the newest line', () => {
  expect(overview(linesOfRun(30))).toMatchObject({
    ...{ name: 'run', step: 30, steps: 30, heldOut: 2.5, bestHeldOut: 2.5, changed: 5, etaMs: null },
    loss: 2.7,
  });
  expect(overview(linesOfRun(30, 7))).toMatchObject({ step: 7, heldOut: 4.1, loss: 2.93 });
  expect(overview([])).toMatchObject({ step: 0, steps: null, loss: null, heldOut: null, saved: null });
});

test('a run that goes on from an earlier step is there', () => {
  expect(overview([...linesOfRun(30, 20), startLine({ steps: 40 }, 10)], true)).toMatchObject({ step: 10, steps: 40 });
});

test('time left goes by planned FLOPs and the pace of this process', () => {
  const start = startLine({ steps: 100, est: { schedule: 'dense' } });
  const perStep = planOf(start).allFlops / 100;
  const steps = stepsOf(1, 10).map((line) => ({ ...line, executedFlops: perStep * line.step }));
  // A hundredth of a second each.
  expect(overview([start, ...steps], true).etaMs).toBeCloseTo(900, 6);
  expect(overview([start, ...steps.slice(0, 1)], true).etaMs).toBe(null);
  // Another process before it was ten times as slow.
  const slow = steps.map((line) => ({ ...line, trainSeconds: line.step / 10 }));
  const fast = stepsOf(11, 20).map((line) => ({
    ...{ ...line, executedFlops: perStep * line.step },
    trainSeconds: 1 + (line.step - 10) / 100,
  }));
  const again = startLine({ steps: 100, est: { schedule: 'dense' } }, 10);
  expect(overview([start, ...slow, again, ...fast], true).etaMs).toBeCloseTo(800, 6);
});

test('damaged steps are passed over', () => {
  const digest = new RunDigest();
  digest.take(startLine({ steps: 30 }));
  digest.takeStep(JSON.stringify(stepsOf(1, 1)[0]));
  digest.takeStep('{"kind":"step","step":2,"loss":"no"}');
  expect(digest.overview('run', { isHeld: true, changedMs: 0 })).toMatchObject({ step: 1, loss: 2.99 });
});
