// Option values that are more than a word or a number.

import { expect, test } from 'vitest';
import { listOrShare } from '../../lib/cli/options.ts';

test.each<[string, object]>([
  ['3', { list: [3] }],
  ['0-3,5', { list: [0, 1, 2, 3, 5] }],
  [' 7, 2-2 ,1', { list: [1, 2, 7] }],
  ['1,1-2,0-1', { list: [0, 1, 2] }],
  ['1', { list: [1] }],
  ['1.0', { rate: 1 }],
  ['0.5', { rate: 0.5 }],
  ['.25', { rate: 0.25 }],
])('%s is a list of units or a share', (text, expected) => {
  expect(listOrShare(text)).toEqual(expected);
});

test.each([
  '',
  ',',
  '0,',
  '3-1',
  '-1',
  '1-',
  '0.0',
  '1.5',
  '-0.5',
  '1.',
  '0.5,1',
  '0-0.5',
  'all',
  '1e-1',
  '0-9999999',
  'NaN',
])('"%s" is neither', (text) => {
  expect(() => listOrShare(text)).toThrow(
    'Expected a list such as 0-3,5 or a share such as 0.5, above 0 and at most 1.0.',
  );
});
