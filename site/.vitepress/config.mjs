// The site: order of reading, first what one does, then what one looks up.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { defineConfig } from 'vitepress';

const pages = path.join(import.meta.dirname, '..', 'pages');
const reference = path.join(pages, 'reference', 'typedoc-sidebar.json');

/** Names of pages by group, in the order of reading. @type {Record<string, string[]>} */
const groups = {
  Begin: ['tutorial', 'platforms', 'data', 'tokenizers', 'configuration', 'configs', 'models'],
  Train: ['method', 'sweeps', 'evaluation', 'reports', 'metrics', 'checkpoint-format', 'distributed'],
  Embed: ['api', 'errors'],
  Inside: ['architecture', 'numerics', 'kernels', 'backends', 'benchmarks', 'reliability', 'journal'],
  Project: ['contributing', 'changelog'],
};

/** A page's title. @param {string} name */
function link(name) {
  const text = /^# (.*)$/m.exec(readFileSync(path.join(pages, `${name}.md`), 'utf8'))?.[1] ?? name;
  return { text, link: `/${name}` };
}

const exists = (/** @type {string} */ name) => existsSync(path.join(pages, `${name}.md`));
const guide = Object.entries(groups).map(([text, names]) => ({ text, items: names.filter(exists).map(link) }));
const first = exists('tutorial') ? 'tutorial' : 'data';

export default defineConfig({
  title: 'burgeon',
  description: 'Pretrain GPT-2, Llama and Qwen2 models by training a part first',
  srcDir: 'pages',
  lastUpdated: false,
  markdown: { theme: { light: 'github-light-high-contrast', dark: 'github-dark' } },
  themeConfig: {
    nav: [
      { text: 'Guide', link: `/${first}` },
      { text: 'API', link: '/api' },
      { text: 'Reference', link: '/reference/' },
      { text: 'Configuration', link: '/configuration' },
    ],
    sidebar: {
      '/': guide,
      '/reference/': [
        { text: 'Reference', link: '/reference/', items: JSON.parse(readFileSync(reference, 'utf8')) },
        { text: 'Guide', items: [{ text: 'API, with programs', link: '/api' }, link('errors')] },
      ],
    },
    outline: [2, 3],
    search: { provider: 'local' },
    socialLinks: [],
  },
});
