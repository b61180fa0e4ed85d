// The site (npm run docs) has every page of docs/ in its order of reading, and no other.

import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

test('every page has its place on the site', async () => {
  const config = await readFile('site/.vitepress/config.mjs', 'utf8');
  const groups = /const groups = (\{.*?\n\});?/s.exec(config)![1]!;
  const listed = [...groups.matchAll(/'([a-z-]+)'/g)].map(([, name]) => name!);
  const pages = (await readdir('docs')).filter((name) => name.endsWith('.md')).map((name) => name.replace('.md', ''));
  expect(pages.filter((name) => !listed.includes(name))).toEqual([]);
  expect(new Set(listed).size).toBe(listed.length);
  // The tutorial comes first, wherever there is one.
  expect(listed[0]).toBe('tutorial');
});
