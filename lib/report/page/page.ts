// The page: runs, comparison, curves, subnetworks and what concerns one run. Report and live page are the same; the live
// page calls `draw` again when there is news.

import { bytes, count, duration, percent, small } from '../../format.ts';
import type { Comparison } from '../compare-runs.ts';
import { groupName } from '../comparison-text.ts';
import type { ReportData } from '../page-data.ts';
import { type Axis, axes, type RunData, type StepColumn } from '../run-data.ts';
import { sharedName } from '../shared-name.ts';
import { type Band, Chart, type Curve } from './chart.ts';
import { comparisonSections } from './comparison-view.ts';
import { changes, localTime, samples, settings, stages, warnings } from './details.ts';
import { type Child, fill, h, swatch, table } from './dom.ts';
import { createGainChart } from './gain-chart.ts';
import { type GroupLook, groupCurve, lookOf, type PageGroup } from './group-curves.ts';
import { SubnetworkView } from './subnetwork-view.ts';
import { keepView, readView, type View } from './view.ts';

/** A run that is going on is shown by itself. */
export type ShownRuns = Pick<ReportData, 'runs'> & Partial<ReportData>;

export class Page {
  readonly #view: View = readView();
  readonly #loss = new Chart({
    id: 'loss',
    title: 'Loss',
    yLabel: () => `loss (${this.#comparison?.unit ?? 'nats per token'})`,
    height: 400,
    hasLog: true,
    format: (value) => value.toPrecision(4),
    tick: (value) => value.toPrecision(3),
    onToggle: (label) => this.#toggle(label),
  });
  readonly #small = [
    this.#smallChart('tokensPerSecond', 'throughput', 'Throughput', 'tokens per second', count),
    this.#smallChart('mfu', 'mfu', 'Share of the peak (MFU)', 'share of the peak', (value) => percent(value)),
    this.#smallChart('learningRate', 'learning-rate', 'Learning rate', 'learning rate', small, rateTick),
    this.#smallChart('gradientNorm', 'gradient-norm', 'Gradient norm before clipping', 'norm', (value) =>
      value.toPrecision(3),
    ),
    this.#smallChart('rssBytes', 'memory', 'Memory of the process', 'bytes', bytes),
  ];
  /** Of final losses; in reports with dense runs of several lengths. */
  #gain: Chart | undefined;
  readonly #subnetwork = new SubnetworkView();
  readonly #head = h('header');
  readonly #runsBox = h('section', { id: 'runs' });
  readonly #comparisonBox = h('div');
  readonly #detail = h('div');
  readonly #choice = h('div', { class: 'choice' });
  /** State of a run that is going on, which its metrics do not say. */
  liveState: string | undefined;
  #runs: RunData[] = [];
  #comparison: Comparison | null = null;
  /** Runs of one configuration are drawn as one. */
  #groups: PageGroup[] = [];
  #chosen = 0;

  /** @param root gets the page's content. @param extra elements between head and curves: the live page's controls. */
  constructor(root: HTMLElement, ...extra: Child[]) {
    fill(
      root,
      this.#head,
      ...extra,
      this.#runsBox,
      this.#comparisonBox,
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
  draw({ runs, groups = runs.map((_, i) => [i]), comparison = null, notCompared, written }: ShownRuns): void {
    const isFirst = this.#runs.length === 0;
    this.#runs = runs;
    this.#groups = groups.map((indices, i) => {
      const members = indices.map((index) => runs[index]!);
      return { name: groupName({ name: sharedName(members), runs: members }), runs: members, ...lookOf(i) };
    });
    this.#comparison = comparison;
    document.title = `${runs.length === 1 ? runs[0]!.name : `${runs.length} runs`} · burgeon`;
    this.#drawHead(written);
    if (isFirst) this.#drawComparison(notCompared ?? undefined);
    this.#drawCurves();
    this.#drawDetail();
    const run = runs[0]!;
    const lastSampled = run.stages.findLast(({ plannedBlockRatio }) => plannedBlockRatio < 1);
    if (isFirst && written !== undefined && lastSampled) this.#subnetwork.show(Math.min(run.step, lastSampled.endStep));
  }

  #drawComparison(notCompared: string | undefined): void {
    const comparison = this.#comparison;
    if (notCompared) fill(this.#comparisonBox, h('p', { class: 'note' }, `Not compared: ${notCompared}`));
    if (!comparison) return;
    const looks = new Map<string, GroupLook>(this.#groups.map((group) => [sharedName(group.runs), group]));
    this.#gain = createGainChart(comparison, looks, this.#view, (label) => this.#toggle(label));
    fill(this.#comparisonBox, ...comparisonSections(comparison, this.#gain?.element));
  }

  /** Switches lines off, or on again, in all charts that have them. */
  #toggle(label: string): void {
    const { hidden } = this.#view;
    if (!hidden.delete(label)) hidden.add(label);
    keepView(this.#view);
    for (const chart of this.#charts()) chart.updateHidden();
  }

  /** Shares of the units of the run so far, newer than those in its data. */
  drawUnits(run: RunData): void {
    const { totals } = run;
    this.#subnetwork.draw(run.start, run.step, totals && { step: totals.step, units: totals.units.run });
  }

  #smallChart<Column extends StepColumn>(
    column: Column,
    id: string,
    title: string,
    yLabel: string,
    format: (value: number) => string,
    tick = format,
  ): { column: Column; chart: Chart } {
    const onToggle = (label: string) => this.#toggle(label);
    return {
      column,
      chart: new Chart({ id, title, yLabel, height: 190, format, tick, fromZero: true, isCompact: true, onToggle }),
    };
  }

  #charts(): Chart[] {
    return [this.#loss, ...this.#small.map(({ chart }) => chart), ...(this.#gain ? [this.#gain] : [])];
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
      executedBlockFlops: 'block FLOPs',
      executedFlops: 'all FLOPs',
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
    const lookOfRun = (run: RunData) => this.#groups.find((group) => group.runs.includes(run))!;
    fill(
      this.#runsBox,
      table(
        ['run', 'state', 'steps', 'held-out loss', 'best', 'tokens', 'executed FLOPs', 'FLOPs saved', 'training time'],
        runs.map((run) => [
          h('span', { class: 'key' }, swatch('strong', lookOfRun(run)), run.name),
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
    const { axis, smoothing } = view;
    const groups = this.#groups;
    const isOnly = this.#runs.length === 1;
    const named = ({ name }: PageGroup, what: string) => (isOnly ? what : `${name} ${what}`.trim());
    const loss = groups.flatMap((group): Curve[] => {
      const [training, heldOut] = [named(group, 'training'), named(group, 'held-out')];
      const steps = { x: (run: RunData) => run.steps[axis], y: (run: RunData) => run.steps.loss };
      const evaluations = { x: (run: RunData) => run.validation[axis], y: (run: RunData) => run.validation.loss };
      return [
        ...(smoothing > 0 && this.#runs.length <= 2 && groups.length === this.#runs.length
          ? [{ label: training, ...groupCurve(group, steps), kind: 'raw' as const }]
          : []),
        { label: training, ...groupCurve(group, { ...steps, smoothing }), kind: 'line' },
        {
          label: heldOut,
          ...groupCurve(group, evaluations),
          ...(isOnly ? { color: '--held-out' } : {}),
          kind: 'strong',
        },
      ];
    });
    const bands = bandsOf(this.#runs, axis);
    this.#loss.draw(loss, bands, view);
    for (const { column, chart } of this.#small) {
      const isNoisy = column !== 'learningRate' && column !== 'rssBytes';
      const curves = groups.flatMap((group): Curve[] => {
        const columns = { x: (run: RunData) => run.steps[axis], y: (run: RunData) => run.steps[column] };
        const label = isOnly ? '' : group.name;
        const line: Curve = {
          label,
          ...groupCurve(group, { ...columns, smoothing: isNoisy ? smoothing : 0 }),
          kind: 'line',
        };
        return column === 'gradientNorm' && smoothing > 0 && group.runs.length === 1
          ? [{ label, ...groupCurve(group, columns), kind: 'raw' }, line]
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
