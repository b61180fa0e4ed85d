// The page: runs, curves, subnetworks, stages, samples, warnings, changes and settings. Report and live page are the same; the live
// page calls `draw` again when there is news.

import { bytes, changeText, count, duration, percent, small } from '../../format.ts';
import type { Comparison } from '../compare-runs.ts';
import { smooth } from '../curves.ts';
import { type Axis, axes, type RunData } from '../run-data.ts';
import { type Band, Chart, type Curve } from './chart.ts';
import { comparisonSection } from './comparison-view.ts';
import { type Child, fill, h, table } from './dom.ts';
import { SubnetworkView } from './subnetwork-view.ts';
import { keepView, readView, type View } from './view.ts';

/** Runs have these colours, then again from the first. */
const runColors = Array.from({ length: 8 }, (_, i) => `--run-${i}`);

export class Page {
  readonly #view: View = readView();
  readonly #loss = new Chart({
    id: 'loss',
    title: 'Loss, nats per token',
    height: 380,
    hasLog: true,
    format: (value) => value.toPrecision(4),
    tick: (value) => value.toPrecision(3),
  });
  readonly #small = [
    { column: 'tokensPerSecond', chart: smallChart('throughput', 'Tokens per second', (value) => count(value)) },
    { column: 'mfu', chart: smallChart('mfu', 'Share of the peak (MFU)', (value) => percent(value)) },
    { column: 'learningRate', chart: smallChart('learning-rate', 'Learning rate', small, rateTick) },
    {
      column: 'gradientNorm',
      chart: smallChart('gradient-norm', 'Gradient norm before clipping', (value) => value.toPrecision(3)),
    },
    { column: 'rssBytes', chart: smallChart('memory', 'Memory of the process', bytes) },
  ] as const;
  readonly #subnetwork = new SubnetworkView();
  readonly #head = h('header');
  readonly #runsBox = h('section', { id: 'runs' });
  readonly #comparison = h('div');
  readonly #detail = h('div');
  readonly #choice = h('div', { class: 'choice' });
  /** State of a run that is going on, which its metrics do not say. */
  liveState: string | undefined;
  #runs: RunData[] = [];
  #chosen = 0;

  /** @param root gets the page's content. @param extra elements between head and curves: the live page's controls. */
  constructor(root: HTMLElement, ...extra: Child[]) {
    fill(
      root,
      this.#head,
      ...extra,
      this.#runsBox,
      this.#comparison,
      this.#toolbar(),
      this.#loss.element,
      h('div', { class: 'small-charts' }, ...this.#small.map(({ chart }) => chart.element)),
      this.#choice,
      this.#subnetwork.element,
      this.#detail,
    );
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      for (const chart of this.#charts()) chart.redraw();
    });
  }

  /** Shows these runs. */
  draw(runs: RunData[], comparison: Comparison | null = null, written?: string): void {
    const isFirst = this.#runs.length === 0;
    this.#runs = runs;
    document.title = `${runs.length === 1 ? runs[0]!.name : `${runs.length} runs`} · burgeon`;
    this.#drawHead(written);
    this.#drawCurves();
    this.#drawDetail();
    const run = runs[0]!;
    const lastSampled = run.stages.findLast(({ plannedBlockRatio }) => plannedBlockRatio < 1);
    if (isFirst && written !== undefined && lastSampled) this.#subnetwork.show(Math.min(run.step, lastSampled.endStep));
    if (comparison) fill(this.#comparison, comparisonSection(comparison));
  }

  /** Shares of the units of the run so far, newer than those in its data. */
  drawUnits(run: RunData): void {
    const { totals } = run;
    this.#subnetwork.draw(run.start, run.step, totals && { step: totals.step, units: totals.units.run });
  }

  #charts(): Chart[] {
    return [this.#loss, ...this.#small.map(({ chart }) => chart)];
  }

  #toolbar(): HTMLElement {
    const view = this.#view;
    const change = () => {
      keepView(view);
      this.#drawCurves();
    };
    const radio = (name: string, value: string, label: string, isOn: boolean, choose: () => void) =>
      h(
        'label',
        {},
        h('input', { type: 'radio', name, value, checked: isOn, change: () => [choose(), change()] }),
        h('span', {}, label),
      );
    const axisLabels: Record<Axis, string> = {
      step: 'steps',
      tokens: 'tokens',
      executedFlops: 'FLOPs',
      trainSeconds: 'seconds',
    };
    const shown = h('output', {}, view.smoothing.toFixed(2));
    return h(
      'form',
      { class: 'toolbar', 'aria-label': 'how curves are drawn' },
      h(
        'fieldset',
        {},
        h('legend', {}, 'over'),
        ...axes.map((axis) =>
          radio('axis', axis, axisLabels[axis], view.axis === axis, () => Object.assign(view, { axis })),
        ),
      ),
      h(
        'fieldset',
        {},
        h('legend', {}, 'loss'),
        ...(['linear', 'log'] as const).map((scale) =>
          radio('scale', scale, scale, view.scale === scale, () => Object.assign(view, { scale })),
        ),
      ),
      h(
        'label',
        { class: 'smoothing' },
        'smoothing',
        h('input', {
          type: 'range',
          name: 'smoothing',
          min: 0,
          max: 0.99,
          step: 0.01,
          value: view.smoothing,
          input: (event) => {
            view.smoothing = Number((event.target as HTMLInputElement).value);
            shown.textContent = view.smoothing.toFixed(2);
            change();
          },
        }),
        shown,
      ),
    );
  }

  #drawHead(written: string | undefined): void {
    const runs = this.#runs;
    const title = runs.length === 1 ? runs[0]!.name : `${runs.length} runs`;
    fill(
      this.#head,
      h('h1', {}, title),
      h('p', { class: 'note' }, written ? `burgeon report of ${localTime(written)}` : 'burgeon, live'),
    );
    const flops = (run: RunData) => run.steps.executedFlops.at(-1) ?? null;
    const seconds = (run: RunData) => run.steps.trainSeconds.at(-1) ?? null;
    const saved = (run: RunData) => {
      const totals = run.totals?.stages ?? [];
      const sum = (key: 'allFlops' | 'denseAllFlops') => totals.reduce((total, stage) => total + stage[key], 0);
      return totals.length === 0 ? null : 1 - sum('allFlops') / sum('denseAllFlops');
    };
    const or = (value: number | null | undefined, format: (value: number) => string) =>
      value === null || value === undefined ? '–' : format(value);
    const validation = (run: RunData) => run.validation.loss.filter((loss) => loss !== null);
    fill(
      this.#runsBox,
      table(
        ['run', 'state', 'steps', 'held-out loss', 'best', 'tokens', 'executed FLOPs', 'FLOPs saved', 'training time'],
        runs.map((run, i) => [
          h(
            'span',
            { class: 'key' },
            h('i', { class: 'strong', style: `--color: var(${runColors[i % runColors.length]})` }),
            run.name,
          ),
          this.liveState ?? run.state,
          run.start ? `${run.step} of ${run.start.config.steps}` : String(run.step),
          or(validation(run).at(-1), (value) => value.toFixed(4)),
          or(validation(run).length > 0 ? Math.min(...validation(run)) : null, (value) => value.toFixed(4)),
          or(run.steps.tokens.at(-1), count),
          or(flops(run), count),
          or(saved(run), (value) => percent(value)),
          or(seconds(run), (value) => duration(1000 * value)),
        ]),
      ),
    );
  }

  #drawCurves(): void {
    const view = this.#view;
    const runs = this.#runs;
    const isOnly = runs.length === 1;
    const named = (run: RunData, what: string) => (isOnly ? what : `${run.name} ${what}`);
    const loss = runs.flatMap((run, i): Curve[] => {
      const color = runColors[i % runColors.length]!;
      const x = run.steps[view.axis];
      const label = named(run, 'training');
      return [
        ...(view.smoothing > 0 && runs.length <= 2
          ? [{ label, color, x, y: run.steps.loss, kind: 'raw' as const }]
          : []),
        { label, color, x, y: smooth(run.steps.loss, view.smoothing), kind: 'line' },
        {
          label: named(run, 'held-out'),
          color: isOnly ? '--held-out' : color,
          x: run.validation[view.axis],
          y: run.validation.loss,
          kind: 'strong',
        },
      ];
    });
    const bands = bandsOf(runs, view.axis);
    this.#loss.draw(loss, bands, view);
    for (const { column, chart } of this.#small) {
      const isNoisy = column !== 'learningRate' && column !== 'rssBytes';
      const curves = runs.flatMap((run, i): Curve[] => {
        const [x, y] = [run.steps[view.axis], run.steps[column]];
        const [color, label] = [runColors[i % runColors.length]!, named(run, '').trim()];
        const line: Curve = { label, color, x, y: isNoisy ? smooth(y, view.smoothing) : y, kind: 'line' };
        return isNoisy && view.smoothing > 0 && column === 'gradientNorm'
          ? [{ label, color, x, y, kind: 'raw' }, line]
          : [line];
      });
      chart.draw(curves, bands, view);
    }
  }

  /** What concerns one run: with several, the one that was chosen. */
  #drawDetail(): void {
    const runs = this.#runs;
    const run = runs[Math.min(this.#chosen, runs.length - 1)]!;
    if (runs.length > 1 && this.#choice.childElementCount === 0) {
      const select = h(
        'select',
        {
          name: 'run',
          change: () => {
            this.#chosen = select.selectedIndex;
            this.#drawDetail();
          },
        },
        ...runs.map(({ name }) => h('option', {}, name)),
      );
      fill(this.#choice, h('label', {}, 'details of ', select));
    }
    this.drawUnits(run);
    // What was unfolded stays so, and texts that are being read stay where they are.
    const isNew = JSON.stringify([
      run.name,
      run.samples.length,
      run.warnings.length,
      run.changes.length,
      run.start?.time,
      run.totals?.step,
      run.state,
    ]);
    if (this.#detail.dataset.shows === isNew) return;
    this.#detail.dataset.shows = isNew;
    const newest = this.#detail.querySelector('#samples details')?.id;
    const open = [...this.#detail.querySelectorAll('details[open]')].map(({ id }) => id).filter((id) => id !== newest);
    fill(this.#detail, warnings(run), changes(run), stages(run), samples(run), settings(run));
    for (const id of open) this.#detail.querySelector(`#${id}`)?.setAttribute('open', '');
  }
}

function smallChart(id: string, title: string, format: (value: number) => string, tick = format): Chart {
  return new Chart({ id, title, height: 160, format, tick, fromZero: true });
}

/** 0.0005 -> "5e-4". */
function rateTick(value: number): string {
  return value === 0 ? '0' : String(Number(value.toPrecision(2)).toExponential());
}

/** Stages as stretches of an axis; none where runs have different ones. */
function bandsOf(runs: readonly RunData[], axis: Axis): Band[] {
  const [first] = runs;
  const sampled = runs.filter(({ stages }) => stages.length > 1);
  const run = sampled[0] ?? first!;
  const ends = (other: RunData) => other.stages.map(({ endStep }) => endStep).join();
  if (sampled.some((other) => ends(other) !== ends(run)) || run.stages.length < 2) return [];
  const place = (step: number) => {
    if (axis === 'step') return step;
    const index = run.steps.step.findIndex((at) => at !== null && at >= step);
    return step === 0 ? 0 : (run.steps[axis][index] ?? Infinity);
  };
  return run.stages.flatMap(({ stage, startStep, endStep }) =>
    startStep < run.step
      ? [{ from: place(startStep), to: place(Math.min(endStep, run.step)), label: `stage ${stage}` }]
      : [],
  );
}

function warnings(run: RunData): Child {
  const lines = run.warnings.map(({ step, text }) => ({ when: `step ${step}`, text }));
  return notes('warnings', 'Warnings', lines);
}

function changes(run: RunData): Child {
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

function stages(run: RunData): Child {
  if (run.stages.length === 0) return undefined;
  const range = ([from, to]: [number, number]) => (from === to ? String(from) : `${from}–${to}`);
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
        percent(stage.plannedBlockRatio),
        or(stage.blockRatio, (value) => percent(value)),
        or(stage.msPerStep, (value) => value.toFixed(1)),
        or(stage.timeRatio, (value) => percent(value)),
      ]),
    ),
    h(
      'p',
      { class: 'note' },
      [
        plannedSaving
          ? `Planned for the whole run: ${percent(plannedSaving.block)} of the block FLOPs saved, ${percent(plannedSaving.all)} of all.`
          : '',
        sum('denseBlockFlops') > 0
          ? `So far: ${percent(1 - sum('blockFlops') / sum('denseBlockFlops'))} of the block FLOPs.`
          : '',
        run.end?.summary.timeSaving
          ? `Time against all steps at the dense rate of this run: ${percent(run.end.summary.timeSaving)} saved.`
          : '',
      ].join(' '),
    ),
  );
}

function samples(run: RunData): Child {
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

function settings(run: RunData): Child {
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
    ['machine', `${host.processor}, ${host.cores} cores, ${host.memoryGiB} GiB, ${host.system}`],
    [
      'computed by',
      `${start.backend} (${start.isa}), ${start.threads} thread${start.threads === 1 ? '' : 's'}, ${start.precision}`,
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

function localTime(iso: string): string {
  return new Date(iso).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
