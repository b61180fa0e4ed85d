// Builds the documentation as a site, into site/.vitepress/dist: the pages of docs/ and those of the repository, and a reference that
// typedoc writes from lib/. Vitepress refuses links that lead nowhere. `npm run docs` in the directory above does it all.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { checkLinks } from './check-links.mjs';

const site = import.meta.dirname;
const root = path.dirname(site);
const pages = path.join(site, 'pages');

/** Pages of the repository, by their names on the site. @type {Record<string, string>} */
const own = {
  'README.md': 'index.md',
  'CONTRIBUTING.md': 'contributing.md',
  'CHANGELOG.md': 'changelog.md',
  'configs/README.md': 'configs.md',
};

/** Links as they are on the site, where all pages are in one folder. @param {string} text */
function withLinks(text) {
  const names = Object.keys(own).map((name) => name.replace('.', '\\.'));
  return text
    .replaceAll(/(\]\(|src="|href=")docs\//g, '$1./')
    .replaceAll(new RegExp(`\\]\\((?:\\.\\./)?(${names.join('|')})`, 'g'), (_, name) => `](${own[name]}`);
}

rmSync(pages, { recursive: true, force: true });
mkdirSync(pages);
cpSync(path.join(root, 'docs', 'images'), path.join(pages, 'images'), { recursive: true });
for (const [from, to] of Object.entries(own)) {
  writeFileSync(path.join(pages, to), withLinks(readFileSync(path.join(root, from), 'utf8')));
}
for (const name of readdirSync(path.join(root, 'docs')).filter((name) => name.endsWith('.md'))) {
  writeFileSync(path.join(pages, name), withLinks(readFileSync(path.join(root, 'docs', name), 'utf8')));
}

const bin = (/** @type {string} */ name) => path.join(site, 'node_modules', '.bin', name);
execFileSync(bin('typedoc'), { cwd: site, stdio: 'inherit' });
execFileSync(bin('vitepress'), ['build'], { cwd: site, stdio: 'inherit' });
checkLinks(path.join(site, '.vitepress', 'dist'));
