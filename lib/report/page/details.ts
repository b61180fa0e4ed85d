// What concerns one run: warnings, changes, stages, samples, machine and configuration.

import { changeText, count, counted, percent } from '../../format.ts';
import type { RunData } from '../run-data.ts';
import { type Child, h, table } from './dom.ts';

export function warnings(run: RunData): Child {
  const lines = run.warnings.map(({ step, text }) => ({ when: `step ${step}`, text }));
  return notes('warnings', 'Warnings', lines);
}

export function changes(run: RunData): Child {
  const lines = run.changes.map((change) => ({ when: `after step ${change.step}`, text: changeText(change) }));
  return notes('changes', 'Changed on the way', lines);
}

function notes(id: string, title: string, lines: readonly { when: string; text: string }[]): Child {
  if (lines.length === 0) return undefined;
  return h(
    'section',
    { id },
    h('h2', {}, title),
    h('ul', {}, ...lines.map(({ when, text }) => h('li', {}, h('b', {}, `${when}: `), text))),
  );
}

export function stages(run: RunData): Child {
  if (run.stages.length === 0) return undefined;
  const range = (ends: [number, number]) => [...new Set(ends.map((end) => Number(end.toFixed(1))))].join('–');
  const or = (value: number | null, format: (value: number) => string) => (value === null ? '–' : format(value));
  const { plannedSaving, totals } = run;
  const sum = (key: 'blockFlops' | 'denseBlockFlops') =>
    totals?.stages.reduce((total, stage) => total + stage[key], 0) ?? 0;
  return h(
    'section',
    { id: 'stages' },
    h('h2', {}, 'Stages, planned and measured'),
    table(
      [
        'stage',
        'steps',
        'layers',
        'heads',
        'neurons',
        'which',
        'block FLOPs, planned',
        'executed',
        'ms per step',
        'time of a dense step',
      ],
      run.stages.map((stage) => [
        String(stage.stage),
        `${stage.startStep + 1}–${stage.endStep}`,
        range(stage.active.layers),
        range(stage.active.heads),
        range(stage.active.neurons),
        h('span', { class: 'text' }, stage.which),
        percent(stage.plannedBlockRatio),
        or(stage.blockRatio, (value) => percent(value)),
        or(stage.msPerStep, (value) => value.toFixed(1)),
        or(stage.timeRatio, (value) => percent(value)),
      ]),
      { answer: 7 },
    ),
    h(
      'p',
      { class: 'note' },
      [
        plannedSaving
          ? `Planned for the whole run: ${percent(plannedSaving.block)} of the block FLOPs saved, ${percent(plannedSaving.all)} of all.`
          : '',
        sum('denseBlockFlops') > 0
          ? `${run.state === 'complete' ? 'Saved' : 'Saved so far'}: ${percent(1 - sum('blockFlops') / sum('denseBlockFlops'))} of the block FLOPs.`
          : '',
        run.end?.summary.timeSaving
          ? `Time against all steps at the dense rate of this run: ${percent(run.end.summary.timeSaving)} saved.`
          : '',
      ].join(' '),
    ),
  );
}

export function samples(run: RunData): Child {
  if (run.samples.length === 0) return undefined;
  const newestFirst = [...run.samples].reverse();
  return h(
    'section',
    { id: 'samples' },
    h('h2', {}, 'Samples'),
    ...newestFirst.map(({ step, text }, i) =>
      h('details', { open: i === 0, id: `sample-${step}` }, h('summary', {}, `step ${step}`), h('pre', {}, text)),
    ),
  );
}

export function settings(run: RunData): Child {
  const { start } = run;
  if (start === undefined) return undefined;
  const { host } = start;
  const facts: [string, string][] = [
    ['directory', run.directory],
    [
      'model',
      `${start.model.architecture}, ${start.model.nLayer} layers, ${start.model.nHead} heads, width ${start.model.nEmbd}, ${count(start.parameters)} parameters`,
    ],
    ['data', `${count(start.dataTokens)} training tokens`],
    ['machine', `${host.processor}, ${counted(host.cores, 'core')}, ${host.memoryGiB} GiB, ${host.system}`],
    [
      'computed by',
      `${start.backend} (${start.isa}), ${counted(start.threads, 'thread')}${start.ranks === undefined ? '' : ` in each of ${start.ranks} ranks`}, ${start.precision}`,
    ],
    [
      'peak',
      start.peakFlopsPerSecond === null ? 'not known' : `${count(start.peakFlopsPerSecond)}FLOP/s, ${start.peakFrom}`,
    ],
    ['burgeon', `${host.burgeon}${host.commit === null ? '' : `, commit ${host.commit}`}, Node ${host.node}`],
    [
      'begun',
      run.starts.map(({ step, time }) => `${localTime(time)}${step > 0 ? ` (after step ${step})` : ''}`).join('; '),
    ],
    ...(run.checkpoints.length > 0
      ? [['checkpoints', run.checkpoints.map(({ step }) => step).join(', ')] as [string, string]]
      : []),
  ];
  return h(
    'section',
    { id: 'settings' },
    h('h2', {}, 'Run and machine'),
    h('dl', {}, ...facts.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)])),
    h('details', { id: 'config' }, h('summary', {}, 'configuration'), h('pre', {}, yamlOf(start.config))),
  );
}

/** Plain data as lines of YAML. */
function yamlOf(value: object, indent = ''): string {
  return Object.entries(value)
    .map(([key, entry]) => {
      if (entry !== null && typeof entry === 'object' && !Array.isArray(entry))
        return `${indent}${key}:\n${yamlOf(entry, `${indent}  `)}`;
      return `${indent}${key}: ${JSON.stringify(entry)}`;
    })
    .join('\n');
}

export function localTime(iso: string): string {
  return new Date(iso).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
