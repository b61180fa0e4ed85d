// Runs of the dashboard that are chosen to be compared: a box beside each, and what to do with them. The choice belongs to the
// address, so that it is there after a reload and when the reader comes back.

import type { RunOverview } from '../live-events.ts';
import { fill, h } from './dom.ts';
import { tabLink } from './tab-link.ts';

/** Address of a comparison. */
export const comparePath = (names: readonly string[]) => `/compare/${names.map(encodeURIComponent).join('&')}`;

export class ChosenRuns {
  /** Says what is chosen; always there, so that a choice moves no row. */
  readonly element = h('p', { id: 'chosen', role: 'status' });
  /** In the order they were chosen: the first is what the others are compared with. */
  readonly #names: Set<string>;
  readonly #boxes = new Map<string, HTMLInputElement>();

  constructor() {
    const kept: unknown = (history.state as { chosen?: unknown } | null)?.chosen;
    this.#names = new Set(Array.isArray(kept) ? kept.map(String) : []);
  }

  /** Before the boxes of these runs are made anew. */
  restart(runs: readonly RunOverview[]): void {
    this.#boxes.clear();
    const known = new Set(runs.map(({ name }) => name));
    for (const name of this.#names) if (!known.has(name)) this.#names.delete(name);
    this.#show();
  }

  box(name: string): HTMLInputElement {
    const box = h('input', {
      ...{ type: 'checkbox', id: `choose ${name}`, 'aria-label': `compare ${name}`, checked: this.#names.has(name) },
      change: () => this.#choose(name, box.checked),
    });
    this.#boxes.set(name, box);
    return box;
  }

  #choose(name: string, isChosen: boolean): void {
    if (isChosen) this.#names.add(name);
    else this.#names.delete(name);
    history.replaceState({ chosen: [...this.#names] }, '');
    this.#show();
  }

  #show(): void {
    const [first, ...others] = this.#names;
    if (first === undefined) {
      fill(this.element, 'Choose runs to compare; the first is what the others are compared with.');
      return;
    }
    const clear = () => {
      for (const name of [...this.#names]) this.#choose(name, false);
      for (const box of this.#boxes.values()) box.checked = false;
    };
    const text =
      others.length === 0
        ? `${first}: choose others to compare with it`
        : `${others.length === 1 ? others[0] : `${others.length} runs`} against ${first}`;
    const link =
      others.length > 0 &&
      tabLink(comparePath([...this.#names]), { class: 'button' }, `Compare ${this.#names.size} runs`);
    fill(this.element, link, h('span', {}, text), h('button', { type: 'button', click: clear }, 'Clear'));
  }
}
