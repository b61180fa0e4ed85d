// Entry of the page of a benchmark or a profile.

import { type Child, fill, h, table } from '../../report/page/dom.ts';
import { Legend } from '../../report/page/legend.ts';
import type { BenchPageData, PageTable } from '../page-data.ts';
import { drawBandwidths } from './bandwidth-chart.ts';
import { DotChart, lookOf } from './dot-chart.ts';
import { drawRoofline } from './roofline-chart.ts';

const verdicts = { quiet: 'The machine was quiet', noisy: 'The machine was busy', 'not known': 'Noise: not known' };

const data: BenchPageData = JSON.parse(document.getElementById('data')!.textContent!);
document.title = `${data.title} · burgeon`;
fill(document.getElementById('page')!, ...sections(data));

function sections({ title, command, written, noise, warnings, sentences, tables, machine }: BenchPageData): Child[] {
  return [
    h('h1', {}, title),
    h('p', { class: 'note' }, h('code', {}, command), `, ${new Date(written).toLocaleString()}`),
    h(
      'section',
      { id: noise.verdict === 'noisy' ? 'warnings' : 'noise' },
      h('h2', {}, verdicts[noise.verdict]),
      h('p', {}, `${noise.text[0]!.toUpperCase()}${noise.text.slice(1)}`),
      warnings.length > 0 && h('ul', {}, ...warnings.map((text) => h('li', {}, text))),
    ),
    ...charts(),
    sentences.length > 0 &&
      h(
        'section',
        { id: 'sentences' },
        h('h2', {}, 'What is slow, and why'),
        h('ul', { class: 'sentences' }, ...sentences.map((text) => h('li', {}, text))),
      ),
    ...tables.map(tableSection),
    h(
      'section',
      { id: 'machine' },
      h('h2', {}, 'Machine'),
      h('dl', {}, ...machine.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)])),
    ),
  ];
}

function tableSection({ title, note, isFolded, head, rows, answer }: PageTable): HTMLElement {
  const content = [
    note !== undefined && h('p', { class: 'note' }, note),
    table(head, rows, answer === undefined ? {} : { answer }),
  ];
  return isFolded
    ? h('section', { class: 'table' }, h('details', {}, h('summary', {}, title), ...content))
    : h('section', { class: 'table' }, h('h2', {}, title), ...content);
}

/** Both charts and the legend that they share. */
function charts(): HTMLElement[] {
  const { series, dots } = data;
  const hidden = new Set<string>();
  const legend = new Legend({
    onToggle: (label) => {
      if (!hidden.delete(label)) hidden.add(label);
      legend.mark(hidden);
      for (const chart of all) chart.hide(new Set(series.flatMap((name, i) => (hidden.has(name) ? [i] : []))));
    },
  });
  legend.draw(series.map((label, i) => ({ label, kind: 'point', ...lookOf(i) })));
  legend.mark(hidden);
  const roofline = new DotChart({
    id: 'roofline',
    title: 'Under the roofs of this machine',
    note: 'Higher is faster. A dot on a roof cannot be faster: on the slope for want of bytes, on the level for want of arithmetic. Arrow keys go from dot to dot.',
    dots: dots.filter(({ intensity }) => intensity !== null),
    draw: (frame) => drawRoofline(frame, data.roofs),
  });
  const rest = dots.filter(({ intensity }) => intensity === null);
  const bandwidths = new DotChart({
    id: 'bandwidths',
    title: 'Without FLOPs: bytes per second beside a memory copy',
    note: 'Right of the line: what the op works on comes from caches.',
    dots: rest,
    draw: (frame) => drawBandwidths(frame, data.roofs.copy),
  });
  const all = rest.length > 0 ? [roofline, bandwidths] : [roofline];
  return [
    series.length > 0 ? h('div', { class: 'toolbar' }, legend.element) : h('div'),
    ...all.map(({ element }) => element),
  ];
}
