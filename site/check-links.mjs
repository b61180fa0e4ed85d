// Links of the built site to places within pages, which vitepress does not look at: throws where a page has no such place.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** @param {string} directory */
export function checkLinks(directory) {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.html'));
  const files = new Map(names.map((name) => [`/${name}`, readFileSync(path.join(directory, name), 'utf8')]));
  const ids = new Map(
    [...files].map(([page, html]) => [page, new Set([...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id))]),
  );
  const dead = [...files].flatMap(([page, html]) =>
    [...html.matchAll(/ href="([^":]*)#([^"]+)"/g)].flatMap(([, to, id]) => {
      const { pathname } = new URL(to || page, `http://site${page}`);
      const target = pathname.endsWith('/') ? `${pathname}index.html` : pathname;
      return ids.get(target)?.has(decodeURIComponent(id)) ? [] : [`${page}: ${to}#${id}`];
    }),
  );
  const found = [...new Set(dead)];
  if (found.length > 0) throw new Error(`links that lead to no place of a page:\n  ${found.join('\n  ')}`);
}
