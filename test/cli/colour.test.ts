// When there are colours, and that text without them is what it was.

import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { hasColours } from '../../lib/cli/colour.ts';
import { table, wrapped } from '../../lib/cli/format.ts';
import { burgeon } from '../helpers/cli.ts';

const terminal = { isTTY: true, hasColors: () => true } as unknown as NodeJS.WriteStream;
const plainTerminal = { isTTY: true, hasColors: () => false } as unknown as NodeJS.WriteStream;
const file = {} as NodeJS.WriteStream;

test.each<[string, NodeJS.WriteStream, NodeJS.ProcessEnv, boolean]>([
  ['a terminal', terminal, {}, true],
  ['a terminal without colours', plainTerminal, {}, false],
  ['a file', file, {}, false],
  ['NO_COLOR', terminal, { NO_COLOR: '1' }, false],
  ['an empty NO_COLOR', terminal, { NO_COLOR: '' }, true],
  ['FORCE_COLOR', file, { FORCE_COLOR: '1' }, true],
  ['FORCE_COLOR=0', terminal, { FORCE_COLOR: '0' }, false],
  ['both', file, { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
])('%s', (_, stream, environment, expected) => {
  expect(hasColours(stream, environment)).toBe(expected);
});

describe.concurrent('a command', () => {
  test.each([['--help'], ['presets'], ['init', '--list'], ['train', '--help'], ['trian'], ['train', 'none']])(
    '%s %s',
    async (...args) => {
      const plain = await burgeon(args);
      const coloured = await burgeon(args, { env: { FORCE_COLOR: '1' } });
      const both = coloured.stdout + coloured.stderr;
      expect(plain.stdout + plain.stderr).not.toContain('\u001b');
      expect(stripVTControlCharacters(both)).toBe(plain.stdout + plain.stderr);
      if (args[1] !== '--list') expect(both).toContain('\u001b[');
    },
  );

  test('is plain with NO_COLOR, even where FORCE_COLOR says otherwise', async () => {
    const { stdout } = await burgeon(['presets'], { env: { NO_COLOR: '1', FORCE_COLOR: '1' } });
    expect(stdout).not.toContain('\u001b');
  });
});

test('colours take no room in tables and lines', () => {
  const red = (text: string) => `\u001b[31m${text}\u001b[39m`;
  const rows = (style: (text: string) => string) => [
    [style('a'), 'b'],
    ['long', style('cd')],
  ];
  expect(stripVTControlCharacters(table(rows(red)))).toBe(table(rows((text) => text)));
  const words = 'word '.repeat(40).trim();
  expect(stripVTControlCharacters(wrapped(`${red('note:')} ${words}`))).toBe(wrapped(`note: ${words}`));
});
