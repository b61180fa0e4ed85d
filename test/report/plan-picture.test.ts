// Pictures of a plan: the curve agrees with the plan, the bars and the image with the curve.

import { expect, test } from 'vitest';
import { parseModelConfig } from '../../lib/config/model-config.ts';
import { planSchedule } from '../../lib/est/plan.ts';
import { planCurve } from '../../lib/est/plan-curve.ts';
import { Schedule } from '../../lib/est/schedule.ts';
import { drawPlan, planSvg } from '../../lib/report/plan-picture.ts';

const model = parseModelConfig({ preset: 'gpt2-nano', vocabSize: 65 });
const options = { sequencesPerStep: 8, sequenceLength: 64 };

test.each([
  ['stages', new Schedule('est-gpt2', 1500)],
  ['a ramp', new Schedule([{ endFraction: 0.5, heads: [0.25, 1], neurons: [0.5, 1] }, {}], 777)],
  ['one step', new Schedule('dense', 1)],
])('the curve of %s ends where the plan does', (_, schedule) => {
  const curve = planCurve(model, schedule, options, 50);
  expect([curve.step[0], curve.step.at(-1)]).toEqual([1, schedule.totalSteps]);
  expect(curve.step.length).toBe(Math.min(50, schedule.totalSteps));
  expect(curve.saved.at(-1)).toBeCloseTo(planSchedule(model, schedule, options).blockSaving, 12);
});

test('in characters: a quarter, a half and all of the height; eighths of a row are told apart', () => {
  const curve = planCurve(model, new Schedule('est-gpt2', 15), options, 15);
  // Saved after each step, in percent: 5, 10, 13.3, 16.7, 20, 23.3, 26.7; 30 % are 32 eighths.
  expect(drawPlan(curve).split('\n')).toEqual([
    '  block FLOPs of a step, of a dense one',
    '  100 %        ████████',
    '               ████████',
    '          █████████████',
    '    0 % ███████████████',
    '        1       step 15',
    '',
    '  block FLOPs saved so far, of the dense run',
    '   30 %      ▁▄▄▄▄▄▄▄▄▄',
    '           ▂▅██████████',
    '         ▃▆████████████',
    '    0 % ▅██████████████',
    '        1       step 15',
  ]);
});

test('as an image: stages, both curves, a title that cannot break it', () => {
  const schedule = new Schedule('est-gpt2', 1500);
  const svg = planSvg('a <b> & c', planCurve(model, schedule, options, 600), schedule.stages);
  expect(svg).toContain('>a &lt;b> &amp; c</text>');
  for (const stage of ['stage 1', 'stage 2', 'stage 3', '26.7 % at the end']) expect(svg).toContain(stage);
  expect(svg.match(/<path/g)).toHaveLength(2);
  expect(svg).not.toContain('NaN');
  // The cost begins at a quarter of the height and ends at all of it.
  const [, path] = /class="cost" d="(.*?)"/.exec(svg)!;
  expect(path).toMatch(/^M62 168\.5/);
  expect(path).toMatch(/V56H836$/);
});
