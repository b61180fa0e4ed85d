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
  new LivePage(root, token).listen();
}

class LivePage {
  readonly #token: string;
  readonly #state = h('b', { role: 'status' }, 'connecting');
  readonly #bar = h('progress', { max: 1, value: 0, 'aria-label': 'part of the steps that is done' });
  readonly #facts = h('div', { class: 'facts' });
  readonly #said = h('span', { class: 'note', role: 'status' });
  readonly #pause = this.#button('pause', 'Pause');
  readonly #buttons = [this.#pause, this.#button('checkpoint', 'Checkpoint now'), this.#button('stop', 'Stop')];
  readonly #page: Page;
  #run: RunData | undefined;
  #progress: LiveProgress | undefined;
  #lastDrawn = 0;
  #timer: number | undefined;

  constructor(root: HTMLElement, token: string) {
    this.#token = token;
    const buttons = h('div', { class: 'buttons' }, ...this.#buttons);
    this.#page = new Page(root, h('section', { id: 'live' }, this.#state, this.#bar, buttons, this.#said, this.#facts));
  }

  listen(): void {
    const events = new EventSource(this.#address('/events'));
    events.onmessage = ({ data }) => this.#take(JSON.parse(data));
    events.onerror = () => {
      const state = this.#progress?.state;
      for (const button of this.#buttons) button.disabled = true;
      if (state !== undefined && ['complete', 'stopped', 'failed'].includes(state)) {
        events.close();
        this.#state.textContent = `${state}; the process has ended`;
      } else this.#state.textContent = 'connection lost, trying again';
    };
  }

  #address(path: string): string {
    return this.#token === '' ? path : `${path}?token=${encodeURIComponent(this.#token)}`;
  }

  #button(name: string, label: string): HTMLButtonElement {
    return h('button', { type: 'button', id: name, disabled: true, click: () => this.#send(name) }, label);
  }

  #isPausing(): boolean {
    return this.#progress?.state === 'paused' || this.#progress?.state === 'pausing';
  }

  async #send(name: string): Promise<void> {
    const path = name === 'pause' && this.#isPausing() ? 'resume' : name;
    try {
      const response = await fetch(this.#address(`/${path}`), { method: 'POST', headers: { 'x-burgeon': '1' } });
      this.#said.textContent = await response.text();
    } catch {
      this.#said.textContent = 'the process does not answer';
    }
  }

  #take(event: LiveEvent): void {
    if (event.kind === 'history') this.#run = event.run;
    if (event.kind === 'news') {
      this.#add(event.lines);
      if (this.#run && event.stages) this.#run.stages = event.stages;
    }
    this.#progress = event.progress;
    const run = this.#run;
    if (run && event.units) {
      const { step, units } = event.units;
      run.totals = { kind: 'totals', step, stages: run.totals?.stages ?? [], units };
    }
    if (run) run.step = Math.max(run.step, this.#progress.step);
    this.#drawSoon();
  }

  #add(lines: readonly MetricsLine[]): void {
    const run = this.#run;
    if (!run) return;
    for (const line of lines) {
      // The history may have had it already.
      const columns = line.kind === 'step' ? run.steps : line.kind === 'validation' ? run.validation : undefined;
      if (columns && (columns.step.at(-1) ?? -1) >= line.step) continue;
      addLine(run, line);
    }
    if (run.steps.step.length > mostPoints) halve(run.steps);
  }

  #drawSoon(): void {
    if (this.#timer !== undefined) return;
    const wait = Math.max(0, this.#lastDrawn + drawEveryMs - performance.now());
    this.#timer = window.setTimeout(() => this.#draw(), wait);
  }

  #draw(): void {
    this.#timer = undefined;
    this.#lastDrawn = performance.now();
    this.#page.liveState = this.#progress?.state;
    if (this.#run) this.#page.draw({ runs: [this.#run] });
    if (this.#progress) this.#drawProgress(this.#progress);
  }

  #drawProgress({ step, steps, etaMs, state }: LiveProgress): void {
    const isRunning = state === 'running' || this.#isPausing();
    this.#state.textContent = state;
    this.#bar.value = step / steps;
    for (const button of this.#buttons) button.disabled = !isRunning;
    this.#pause.textContent = this.#isPausing() ? 'Go on' : 'Pause';
    const run = this.#run;
    const [loss, rate, mfu] = (['loss', 'tokensPerSecond', 'mfu'] as const).map(
      (column) => run?.steps[column].at(-1) ?? undefined,
    );
    const fact = (name: string, value: string | undefined) =>
      value !== undefined && h('span', {}, `${name} `, h('b', {}, value));
    fill(
      this.#facts,
      fact('step', `${step} of ${steps}`),
      fact('left', etaMs === null ? undefined : duration(etaMs)),
      fact('loss', loss?.toFixed(4)),
      fact('held-out', run?.validation.loss.at(-1)?.toFixed(4)),
      fact('tokens/s', rate === undefined ? undefined : count(rate)),
      fact('MFU', mfu === undefined ? undefined : percent(mfu)),
    );
  }
}
