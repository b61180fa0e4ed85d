// Pausing, saving and stopping from outside, without training: the trainer is asked for a checkpoint and nothing else.

import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { RunControl } from '../../lib/train/run-control.ts';
import type { Trainer } from '../../lib/train/trainer.ts';

/** A stand-in that counts checkpoints. */
function counter(fails = false) {
  let written = 0;
  const checkpoint = async () => {
    await turn();
    if (fails) throw new Error('disk full');
    return `checkpoint-${++written}`;
  };
  return { checkpoint } as unknown as Trainer;
}

test('goes on at once when nothing was asked for', async () => {
  await new RunControl().betweenSteps(counter());
});

test('pauses until it is resumed, and saves meanwhile', async () => {
  const control = new RunControl();
  control.pause();
  expect(control.state).toBe('pausing');
  let goesOn = false;
  const between = control.betweenSteps(counter()).then(() => {
    goesOn = true;
  });
  await turn();
  expect(control.state).toBe('paused');
  const first = control.checkpoint();
  await Promise.resolve();
  const second = control.checkpoint(); // while the first is being written
  expect(await first).toBe('checkpoint-1');
  expect(await second).toBe('checkpoint-2');
  expect(goesOn).toBe(false);
  control.resume();
  await between;
  expect(control.state).toBe('running');
});

test('a checkpoint that fails is told to who asked, and the run goes on', async () => {
  const control = new RunControl();
  const asked = control.checkpoint();
  const [outcome] = await Promise.allSettled([asked, control.betweenSteps(counter(true))]);
  expect(outcome).toMatchObject({ status: 'rejected', reason: new Error('disk full') });
});

test.each(['stop', 'Ctrl-C'])('%s ends a pause', async (how) => {
  const interrupt = new AbortController();
  const control = new RunControl(interrupt.signal);
  control.pause();
  const between = control.betweenSteps(counter());
  await turn();
  if (how === 'stop') control.stop();
  else interrupt.abort();
  await between;
  expect(control.signal.aborted).toBe(true);
  expect(control.state).toBe('stopping');
});

test('who still waits when the run ends is told that there is no checkpoint', async () => {
  const control = new RunControl();
  const asked = control.checkpoint();
  control.end();
  expect(await asked).toBeUndefined();
});
