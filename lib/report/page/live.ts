// The live page: the run as it goes, and the buttons. History and news come as server-sent events; when the connection
// breaks, the browser connects again and gets the whole history anew.

import { count, duration, percent } from '../../format.ts';
import type { MetricsLine } from '../../train/metrics.ts';
import { addLine } from '../add-line.ts';
import type { LiveEvent, LiveProgress } from '../live-events.ts';
import type { LiveData } from '../page-data.ts';
import { halve, type RunData } from '../run-data.ts';
import { fill, h } from './dom.ts';
import { Page } from './page.ts';

/** Twice as many as a report shows; then every second of the older ones goes. */
const mostPoints = 4000;

/** Least time between drawings. */
const drawEveryMs = 250;

export function showLive(root: HTMLElement, { token }: LiveData): void {
  const address = (path: string) => (token === '' ? path : `${path}?token=${encodeURIComponent(token)}`);
  const state = h('b', { role: 'status' }, 'connecting');
  const bar = h('progress', { max: 1, value: 0, 'aria-label': 'part of the steps that is done' });
  const facts = h('div', { class: 'facts' });
  const command = (name: string, label: string) =>
    h('button', { type: 'button', id: name, disabled: true, click: () => send(name) }, label);
  const [pause, checkpoint, stop] = [
    command('pause', 'Pause'),
    command('checkpoint', 'Checkpoint now'),
    command('stop', 'Stop'),
  ];
  const said = h('span', { class: 'note', role: 'status' });
  const controls = h(
    'section',
    { id: 'live' },
    state,
    bar,
    h('div', { class: 'buttons' }, pause, checkpoint, stop),
    said,
    facts,
  );
  const page = new Page(root, controls);

  let run: RunData | undefined;
  let progress: LiveProgress | undefined;
  let lastDrawn = 0;
  let timer: number | undefined;

  const isPausing = () => progress?.state === 'paused' || progress?.state === 'pausing';

  async function send(name: string): Promise<void> {
    const path = name === 'pause' && isPausing() ? 'resume' : name;
    try {
      const response = await fetch(address(`/${path}`), { method: 'POST', headers: { 'x-burgeon': '1' } });
      said.textContent = await response.text();
    } catch {
      said.textContent = 'the process does not answer';
    }
  }

  function drawSoon(): void {
    if (timer !== undefined) return;
    timer = window.setTimeout(draw, Math.max(0, lastDrawn + drawEveryMs - performance.now()));
  }

  function draw(): void {
    timer = undefined;
    lastDrawn = performance.now();
    page.liveState = progress?.state;
    if (run) page.draw({ runs: [run] });
    drawProgress();
  }

  function drawProgress(): void {
    if (!progress) return;
    const { step, steps, etaMs } = progress;
    const isRunning = progress.state === 'running' || isPausing();
    state.textContent = progress.state;
    bar.value = step / steps;
    for (const button of [pause, checkpoint, stop]) button.disabled = !isRunning;
    pause.textContent = isPausing() ? 'Go on' : 'Pause';
    const last = (column: 'loss' | 'tokensPerSecond' | 'mfu' | 'learningRate') =>
      run?.steps[column].at(-1) ?? undefined;
    const fact = (name: string, value: string | undefined) =>
      value !== undefined && h('span', {}, `${name} `, h('b', {}, value));
    const rate = last('tokensPerSecond');
    const mfu = last('mfu');
    fill(
      facts,
      fact('step', `${step} of ${steps}`),
      fact('left', etaMs === null ? undefined : duration(etaMs)),
      fact('loss', last('loss')?.toFixed(4)),
      fact('held-out', run?.validation.loss.at(-1)?.toFixed(4)),
      fact('tokens/s', rate === undefined ? undefined : count(rate)),
      fact('MFU', mfu === undefined ? undefined : percent(mfu)),
    );
  }

  function take(lines: readonly MetricsLine[]): void {
    if (!run) return;
    for (const line of lines) {
      // The history may have had it already.
      const columns = line.kind === 'step' ? run.steps : line.kind === 'validation' ? run.validation : undefined;
      if (columns && (columns.step.at(-1) ?? -1) >= line.step) continue;
      addLine(run, line);
    }
    if (run.steps.step.length > mostPoints) halve(run.steps);
  }

  const events = new EventSource(address('/events'));
  events.onmessage = ({ data }) => {
    const event: LiveEvent = JSON.parse(data);
    if (event.kind === 'history') run = event.run;
    if (event.kind === 'news') {
      take(event.lines);
      if (run && event.stages) run.stages = event.stages;
    }
    progress = event.progress;
    if (run && event.units)
      run.totals = {
        kind: 'totals',
        step: event.units.step,
        stages: run.totals?.stages ?? [],
        units: event.units.units,
      };
    if (run) run.step = Math.max(run.step, progress.step);
    drawSoon();
  };
  events.onerror = () => {
    const isOver = progress !== undefined && ['complete', 'stopped', 'failed'].includes(progress.state);
    for (const button of [pause, checkpoint, stop]) button.disabled = true;
    if (isOver) {
      events.close();
      state.textContent = `${progress!.state}; the process has ended`;
    } else state.textContent = 'connection lost, trying again';
  };
}
