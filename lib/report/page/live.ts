// The live page: the run as it goes, and the buttons. History and news come as server-sent events; when the connection
// breaks, the page connects again and gets the whole history anew.

import { count, duration, percent } from '../../format.ts';
import { addBounded } from '../bounded-run.ts';
import type { LiveEvent, LiveProgress } from '../live-events.ts';
import type { RunData } from '../run-data.ts';
import { fill, h } from './dom.ts';
import { eventsOf } from './events.ts';
import { showLocked } from './locked.ts';
import { Page } from './page.ts';
import { takeToken } from './token.ts';

/** Time to the next attempt when the connection is lost. */
const retryMs = 1000;

/** Least time between drawings. */
const drawEveryMs = 250;

export function showLive(root: HTMLElement): void {
  // Another address of the same page, pasted over this one, loads nothing by itself.
  addEventListener('hashchange', () => {
    if (new URLSearchParams(location.hash.slice(1)).has('token')) location.reload();
  });
  const token = takeToken();
  if (token === '') showLocked(root, false);
  else void new LivePage(root, token).listen();
}

class LivePage {
  readonly #root: HTMLElement;
  readonly #headers: Record<string, string>;
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
    this.#root = root;
    this.#headers = { authorization: `Bearer ${token}` };
    const buttons = h('div', { class: 'buttons' }, ...this.#buttons);
    this.#page = new Page(root, h('section', { id: 'live' }, this.#state, this.#bar, buttons, this.#said, this.#facts));
  }

  /** Follows the run, over connections that break, to its end. */
  async listen(): Promise<void> {
    for (;;) {
      const waitMs = await this.#follow();
      if (waitMs === undefined) return;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  /** Follows one connection to its end. @returns when to try again; undefined: never. */
  async #follow(): Promise<number | undefined> {
    let waitMs = retryMs;
    let why = 'connection lost, trying again';
    try {
      const response = await fetch('/events', { headers: this.#headers });
      if (response.status === 401) {
        window.clearTimeout(this.#timer);
        showLocked(this.#root, true);
        return undefined;
      }
      if (response.ok && response.body) for await (const event of eventsOf(response.body)) this.#take(event);
      else {
        why = await response.text();
        waitMs = 1000 * Number(response.headers.get('retry-after') ?? 1);
      }
    } catch {
      // Broken off, or nobody there.
    }
    window.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#draw();
    const state = this.#progress?.state;
    for (const button of this.#buttons) button.disabled = true;
    const isOver = state !== undefined && ['complete', 'stopped', 'failed'].includes(state);
    this.#state.textContent = isOver ? `${state}; the process has ended` : why;
    return isOver ? undefined : waitMs;
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
      const response = await fetch(`/${path}`, { method: 'POST', headers: this.#headers });
      this.#said.textContent = await response.text();
    } catch {
      this.#said.textContent = 'the process does not answer';
    }
  }

  #take(event: LiveEvent): void {
    if (event.kind === 'history') this.#run = event.run;
    if (event.kind === 'news' && this.#run) {
      for (const line of event.lines) addBounded(this.#run, line);
      if (event.stages) this.#run.stages = event.stages;
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
