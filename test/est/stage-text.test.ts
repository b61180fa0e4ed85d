// Stages in a few words, and what about them is likely a slip.

import { describe, expect, test } from 'vitest';
import { Schedule, type StageConfig } from '../../lib/est/schedule.ts';
import { growsAt, stageNotes, stageText } from '../../lib/est/stage-text.ts';

const model = { nLayer: 4, nHead: 4, nEmbd: 16, nInner: 32 };

function texts(stages: StageConfig[]): string[] {
  const schedule = new Schedule(stages, 20);
  return schedule.stages.map((stage) => stageText(stage, growsAt(model, schedule, {}, stage)));
}

test('say which units a stage trains, and what new ones start from', () => {
  const first = { choose: 'first' } as const;
  expect(texts([{ endStep: 5, layers: 0.5, ...first }, { endStep: 10, heads: 0.5 }, { transition: 'stack' }])).toEqual([
    'first',
    'random',
    'all, nothing new',
  ]);
  const transition = { layers: 'middle', width: 'split' } as const;
  expect(
    texts([
      { endStep: 5, layers: 0.5, heads: 0.5, ...first },
      { layers: [0.75, 1], heads: 0.75, choose: { layers: 'first' }, transition },
    ]),
  ).toEqual(['first', 'mixed, from middle and split']);
  expect(texts([{}])).toEqual(['all']);
});

describe('notes', () => {
  const notes = (stages: StageConfig[]) => stageNotes(model, new Schedule(stages, 20), {});

  test('on transitions that do nothing', () => {
    expect(notes([{ endStep: 10, layers: 0.5 }, { transition: 'stack' }])).toEqual([
      'stage 2: its transition does nothing, because all that it trains was trained before',
    ]);
    expect(notes([{ endStep: 10, layers: 0.5, choose: 'first' }, { transition: 'stack' }])).toEqual([]);
  });

  test('on learning rates that do not climb back within their stage', () => {
    const transition = { layers: 'stack', warmupSteps: 11 } as const;
    expect(notes([{ endStep: 10, layers: 0.5, choose: 'first' }, { transition }])).toEqual([
      'stage 2: the learning rate climbs for 11 steps, but the stage has 10',
    ]);
  });
});
