// The site (npm run docs) has every page of docs/ in its order of reading, and no other.

import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
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

test('pages link to nothing but pages of the site, which refuses others', async () => {
  const build = await readFile('site/build.mjs', 'utf8');
  const own = /const own = (\{.*?\n\});/s.exec(build)![1]!;
  const sources = [...own.matchAll(/'([^']+\.md)':/g)].map(([, name]) => name!);
  expect(sources).toContain('README.md');
  const docs = (await readdir('docs')).filter((name) => name.endsWith('.md')).map((name) => path.join('docs', name));
  const onSite = new Set([...sources, ...docs].map((name) => path.normalize(name)));
  const dead = await Promise.all(
    [...onSite].map(async (page) => {
      const links = (await readFile(page, 'utf8')).matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g);
      const targets = [...links].map(([, link]) => path.join(path.dirname(page), link!));
      return targets.filter((target) => !onSite.has(target)).map((target) => `${page}: ${target}`);
    }),
  );
  expect(dead.flat()).toEqual([]);
});
