// Distances by hand and the suggestions people need.

import { describe, expect, test } from 'vitest';
import { editDistance, nearestName } from '../../lib/config/nearest.ts';

describe('editDistance', () => {
  test.each([
    ['', '', 0],
    ['abc', 'abc', 0],
    ['', 'abc', 3],
    ['abc', 'abd', 1],
    ['abc', 'acb', 1], // neighbours swapped
    ['ca', 'abc', 3], // optimal string alignment: no edit inside a swapped pair
    ['kitten', 'sitting', 3],
    ['learningrate', 'learningRate', 0.5],
    ['keep-first', 'keepFirst', 1],
  ])('of %s and %s is %d', (a, b, expected) => {
    expect(editDistance(a, b)).toBe(expected);
    expect(editDistance(b, a)).toBe(expected);
  });
});

describe('nearestName', () => {
  const names = ['learningRate', 'minLearningRate', 'schedule', 'beta1', 'beta2'];

  test.each([
    ['learningrate', 'learningRate'],
    ['learning_rate', 'learningRate'],
    ['shcedule', 'schedule'],
    ['beta', 'beta1'],
    ['min-learning-rate', 'minLearningRate'],
  ])('%s means %s', (name, expected) => {
    expect(nearestName(name, names)).toBe(expected);
  });

  test('nothing is near what is unlike everything', () => {
    expect(nearestName('gradientClip', names)).toBeUndefined();
    expect(nearestName('x', names)).toBeUndefined();
    expect(nearestName('x', [])).toBeUndefined();
  });
});

test('a name of a million characters is near to none, and known at once', () => {
  expect(nearestName('heads '.repeat(200_000), ['heads', 'neurons', 'layers'])).toBeUndefined();
  expect(nearestName('head_-_-_-_-_-_-_-s', ['heads'])).toBeUndefined();
  expect(nearestName('head_-_s', ['heads'])).toBe('heads');
});
