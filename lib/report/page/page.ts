// The page: runs, comparison, curves, subnetworks and what concerns one run. Report and live page are the same; the live
// page calls `draw` again when there is news.

import { bytes, count, percent, small } from '../../format.ts';
import type { Comparison } from '../compare-runs.ts';
import { groupName } from '../comparison-text.ts';
import { type Smoothing, weightOf } from '../curves.ts';
import type { ReportData } from '../page-data.ts';
import type { Axis, RunData, StepColumn } from '../run-data.ts';
import { sharedName } from '../shared-name.ts';
import { type Band, Chart, type ChartOptions, type Curve } from './chart.ts';
import { comparisonSections } from './comparison-view.ts';
import { changes, localTime, samples, settings, stages, warnings } from './details.ts';
import { type Child, fill, h } from './dom.ts';
import { createGainChart } from './gain-chart.ts';
import { type GroupLook, groupCurve, lookOf, type PageGroup } from './group-curves.ts';
import { failures, runsTable } from './runs-view.ts';
import { SubnetworkView } from './subnetwork-view.ts';
import { Toolbar } from './toolbar.ts';
import { keepView, readView, type View } from './view.ts';

/** A run that is going on is shown by itself. */
export type ShownRuns = Pick<ReportData, 'runs'> & Partial<ReportData>;

export class Page {
  readonly #view: View = readView();
  readonly #toolbar = new Toolbar(this.#view, () => this.#drawCurves());
  readonly #loss = new Chart({
    id: 'loss',
    title: 'Loss',
    yLabel: () => `loss (${this.#comparison?.unit ?? 'nats per token'})`,
    height: 400,
    hasLog: true,
    format: (value) => value.toPrecision(4),
    empty: 'No losses over this yet: they come with the first step.',
    onToggle: (label) => this.#toggle(label),
  });
  readonly #small = [
    this.#smallChart('tokensPerSecond', {
      ...{ id: 'throughput', title: 'Throughput', yLabel: 'tokens per second', ticks: 'count', format: count },
      empty: 'No steps yet.',
    }),
    this.#smallChart('mfu', {
      ...{ id: 'mfu', title: 'MFU', yLabel: 'share of the peak', ticks: 'percent', format: percent },
      empty: 'Not known: the peak of this device is not measured. Set log.peakFlops.',
    }),
    this.#smallChart('learningRate', {
      ...{ id: 'learning-rate', title: 'Learning rate', yLabel: 'learning rate', ticks: 'rate', format: small },
      empty: 'No steps yet.',
    }),
    this.#smallChart('gradientNorm', {
      ...{ id: 'gradient-norm', title: 'Gradient norm', yLabel: 'norm before clipping', ticks: 'number' },
      format: (value) => value.toPrecision(3),
      empty: 'No steps yet.',
    }),
    this.#smallChart('rssBytes', {
      ...{ id: 'memory', title: 'Memory', yLabel: 'memory of the process', ticks: 'bytes', format: bytes },
      empty: 'Not in these metrics.',
    }),
  ];
  /** Of final losses; in reports with dense runs of several lengths. */
  #gain: Chart | undefined;
  readonly #subnetwork = new SubnetworkView();
  readonly #head = h('header');
  /** All but the head; hidden while there is no run. */
  readonly #rest = h('div', { hidden: true });
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

  /** @param root gets the page's content. @param parts of the live page: above all, and between head and curves. */
  constructor(root: HTMLElement, { above, extra }: { above?: Child; extra?: Child } = {}) {
    fill(root, above, this.#head, extra, this.#rest);
    fill(
      this.#rest,
      this.#runsBox,
      this.#comparisonBox,
      this.#toolbar.element,
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
    this.#rest.hidden = false;
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
    options: Pick<ChartOptions, 'id' | 'title' | 'yLabel' | 'ticks' | 'format' | 'empty'>,
  ): { column: Column; chart: Chart } {
    const onToggle = (label: string) => this.#toggle(label);
    return { column, chart: new Chart({ ...options, height: 190, fromZero: true, isCompact: true, onToggle }) };
  }

  #charts(): Chart[] {
    return [this.#loss, ...this.#small.map(({ chart }) => chart), ...(this.#gain ? [this.#gain] : [])];
  }

  #drawHead(written: string | undefined): void {
    const runs = this.#runs;
    const title = runs.length === 1 ? runs[0]!.name : `${runs.length} runs`;
    fill(
      this.#head,
      h('h1', {}, title),
      h('p', { class: 'note' }, written ? `burgeon report of ${localTime(written)}` : 'burgeon, live'),
      failures(runs),
    );
    const lookOfRun = (run: RunData) => this.#groups.find((group) => group.runs.includes(run))!;
    fill(this.#runsBox, runsTable(runs, lookOfRun, this.liveState));
  }

  #drawCurves(): void {
    const view = this.#view;
    const { axis, smoothing } = view;
    const groups = this.#groups;
    const isOnly = this.#runs.length === 1;
    const points = Math.max(...this.#runs.map(({ steps }) => steps.step.length));
    this.#toolbar.show(points);
    const isSmoothed = weightOf(smoothing, points) > 0;
    const named = ({ name }: PageGroup, what: string) => (isOnly ? what : `${name} ${what}`.trim());
    const loss = groups.flatMap((group): Curve[] => {
      const [training, heldOut] = [named(group, 'training'), named(group, 'held-out')];
      const steps = { x: (run: RunData) => run.steps[axis], y: (run: RunData) => run.steps.loss };
      const evaluations = { x: (run: RunData) => run.validation[axis], y: (run: RunData) => run.validation.loss };
      return [
        ...(isSmoothed && this.#runs.length <= 2 && groups.length === this.#runs.length
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
      const curves = groups.flatMap((group): Curve[] => {
        const columns = { x: (run: RunData) => run.steps[axis], y: (run: RunData) => run.steps[column] };
        const label = isOnly ? '' : group.name;
        const line: Curve = {
          label,
          ...groupCurve(group, { ...columns, smoothing: smoothingOf(column, smoothing, points) }),
          kind: 'line',
        };
        return column === 'gradientNorm' && isSmoothed && group.runs.length === 1
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

/** Time per step is noise about a level, so more of it is smoothed away than of what goes down; what is exact is not smoothed. */
function smoothingOf(column: StepColumn, smoothing: Smoothing, points: number): Smoothing {
  if (column === 'learningRate' || column === 'rssBytes') return 0;
  const isSpeed = column === 'tokensPerSecond' || column === 'mfu';
  return isSpeed && smoothing === 'auto' ? Math.max(0.8, weightOf(smoothing, points)) : smoothing;
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
