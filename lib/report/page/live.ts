// The page of a run as it goes, with buttons where the process that trains serves it. History and news come as server-sent events.

import { count, duration, percent } from '../../format.ts';
import { addBounded } from '../bounded-run.ts';
import type { LiveEvent, LiveProgress } from '../live-events.ts';
import type { RunData } from '../run-data.ts';
import { follow, reloadForNewToken } from './connection.ts';
import { type Child, fill, h } from './dom.ts';
import { showLocked } from './locked.ts';
import { Page } from './page.ts';
import { takeToken } from './token.ts';

/** Least time between drawings. */
const drawEveryMs = 250;

/** Who serves the page, and what the page can do there. */
export interface LiveOptions {
  /** Path of the events. */
  events: string;
  /** The command that prints the address, and where its token is. */
  command: string;
  tokenPlace: string;
  /** Whether the process that serves the page is the one that trains: it has buttons, and its end is that of the run. */
  isTraining: boolean;
  /** Stands above the rest. */
  above?: Child;
}

export function showLive(root: HTMLElement, options: LiveOptions): void {
  reloadForNewToken();
  const token = takeToken();
  if (token === '') showLocked(root, options, false);
  else void new LivePage(root, token, options).listen();
}

class LivePage {
  readonly #root: HTMLElement;
  readonly #options: LiveOptions;
  readonly #headers: Record<string, string>;
  readonly #state = h('b', { role: 'status' }, 'connecting');
  readonly #bar = h('progress', { max: 1, value: 0, hidden: true, 'aria-label': 'part of the steps that is done' });
  readonly #facts = h('div', { class: 'facts' });
  readonly #said = h('span', { class: 'note', role: 'status' });
  readonly #pause = this.#button('pause', 'Pause');
  readonly #buttons = [this.#pause, this.#button('checkpoint', 'Checkpoint now'), this.#button('stop', 'Stop')];
  readonly #page: Page;
  #run: RunData | undefined;
  #progress: LiveProgress | undefined;
  #lastDrawn = 0;
  #timer: number | undefined;

  constructor(root: HTMLElement, token: string, options: LiveOptions) {
    this.#root = root;
    this.#options = options;
    this.#headers = { authorization: `Bearer ${token}` };
    const buttons = options.isTraining && h('div', { class: 'buttons' }, ...this.#buttons);
    const live = h('section', { id: 'live' }, this.#state, this.#bar, buttons, this.#said, this.#facts);
    this.#page = new Page(root, { above: options.above, extra: live });
  }

  /** Follows the run, over connections that break, to its end. */
  listen(): Promise<void> {
    return follow<LiveEvent>(this.#options.events, this.#headers, {
      onEvent: (event) => this.#take(event),
      onBreak: (why) => this.#break(why),
      onLocked: () => {
        window.clearTimeout(this.#timer);
        showLocked(this.#root, this.#options, true);
      },
    });
  }

  #break(why: string): boolean {
    window.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#draw();
    const state = this.#progress?.state;
    for (const button of this.#buttons) button.disabled = true;
    const isOver = state !== undefined && ['complete', 'stopped', 'failed'].includes(state);
    const hasEnded = isOver && this.#options.isTraining;
    this.#showState(hasEnded ? `${state}; the process has ended` : why, hasEnded ? state : '');
    return !hasEnded;
  }

  #showState(text: string, state: string): void {
    this.#state.textContent = text;
    this.#state.className = `state ${state}`;
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
    this.#showState(state, state);
    this.#bar.hidden = false;
    this.#bar.value = steps > 0 ? step / steps : 0;
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
