// The time left of a run goes by its FLOPs: a small first stage does not promise a fast end.

import { expect, test } from 'vitest';
import { EtaClock } from '../../lib/cli/eta-clock.ts';
import { parseModelConfig } from '../../lib/config/model-config.ts';
import { planSchedule } from '../../lib/est/plan.ts';
import { Schedule } from '../../lib/est/schedule.ts';

test('by FLOPs, without the first step of the process and without pauses', async () => {
  const model = parseModelConfig('gpt2-nano', 65);
  const plan = planSchedule(model, new Schedule('stack-4', 100), { sequencesPerStep: 4, sequenceLength: 8 });
  let now = 0;
  const eta = new EtaClock(plan, 0, () => now);
  expect(eta.remainingMs(0)).toBeNull();
  now += 5000; // a cold step
  eta.stepDone();
  expect(eta.remainingMs(1)).toBeNull();
  await eta.without(async () => {
    now += 60_000;
  });
  // Every step takes a millisecond per FLOP of the dense run's 100th step.
  const [first, second, last] = plan.stages.map(({ allFlops, steps }) => allFlops / steps);
  const msPerFlop = 1 / last!;
  for (let step = 2; step <= 11; step++) {
    now += first! * msPerFlop;
    eta.stepDone();
  }
  expect(eta.remainingMs(11)).toBeCloseTo(msPerFlop * (9 * first! + 30 * second! + 50 * last!), 6);
});
