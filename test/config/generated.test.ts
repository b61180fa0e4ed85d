// What is written from the schema of a configuration is up to date.

import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { trainConfigKeys } from '../../lib/train/train-config.ts';
import { generated } from '../../scripts/configuration.ts';

test.each(Object.entries(generated()))('%s is as `npm run docs:configuration` writes it', async (file, content) => {
  expect(await readFile(file, 'utf8')).toBe(content);
});

test('every key is in them, with the words of --help', () => {
  const { 'docs/configuration.md': page, ...types } = generated();
  const all = Object.values(types).join('\n');
  for (const { key, description } of trainConfigKeys) {
    const name = key.split('.').at(-1)!;
    expect(page, key).toContain(`| \`${name}\` |`);
    expect(page, key).toContain(description.replaceAll('<', '&lt;'));
    // The section as a whole stands in the type of what is above it.
    expect(all, key).toContain(`/** ${description}.`);
  }
});
