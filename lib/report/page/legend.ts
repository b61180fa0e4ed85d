// The legend of a chart, which also reads off the values at the cursor. An entry switches its line off and on. Room for the
// values is always kept, so that neither moves anything. For the keyboard all entries are one stop; arrow keys go from one
// to the next.

import { fill, h, swatch } from './dom.ts';

export interface LegendEntry {
  label: string;
  /** Name of a colour in the style sheet. */
  color: string;
  kind: string;
  isDashed: boolean;
}

export interface LegendOptions {
  /** Whether names are left to tooltips and screen readers. */
  isCompact?: boolean;
  /** Is given the label of an entry that was pressed. */
  onToggle: (label: string) => void;
}

export class Legend {
  readonly element = h('div', { class: 'readout', keydown: (event) => this.#onKey(event as KeyboardEvent) });
  /** Where the cursor is; stands beside the title. */
  readonly place = h('span', { class: 'place' });
  readonly #options: LegendOptions;
  #entries: { label: string; element: HTMLElement; value: HTMLElement }[] = [];

  constructor(options: LegendOptions) {
    this.#options = options;
  }

  /** New entries; one without a label shows its value only. */
  draw(entries: readonly LegendEntry[]): void {
    this.#entries = entries.map(({ label, kind, ...look }) => {
      const value = h('span', { class: 'value' });
      return {
        label,
        value,
        element: label === '' ? h('span', { class: 'key' }, value) : this.#button(label, swatch(kind, look), value),
      };
    });
    fill(this.element, ...this.#entries.map(({ element }) => element));
    const isToolbar = this.#buttons().length > 0;
    Object.assign(this.element, isToolbar ? { role: 'toolbar', ariaLabel: 'lines to show' } : { role: null });
    this.#focusable(0);
  }

  #button(label: string, line: HTMLElement, value: HTMLElement): HTMLElement {
    const { isCompact, onToggle } = this.#options;
    const attributes = { type: 'button', class: 'key', 'aria-label': label, click: () => onToggle(label) };
    if (isCompact) return h('button', { ...attributes, title: label }, line, value);
    return h('button', attributes, line, h('span', { class: 'name' }, label), value);
  }

  #buttons(): HTMLElement[] {
    return this.#entries.filter(({ label }) => label !== '').map(({ element }) => element);
  }

  /** The entry that the Tab key goes to. */
  #focusable(index: number): HTMLElement | undefined {
    const buttons = this.#buttons();
    for (const [i, button] of buttons.entries()) button.tabIndex = i === index ? 0 : -1;
    return buttons[index];
  }

  #onKey(event: KeyboardEvent): void {
    const delta = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (delta === undefined) return;
    event.preventDefault();
    const buttons = this.#buttons();
    const at = buttons.indexOf(event.target as HTMLElement);
    this.#focusable((at + delta + buttons.length) % buttons.length)?.focus();
  }

  /** Which lines are drawn. */
  mark(hidden: ReadonlySet<string>): void {
    for (const { label, element } of this.#entries) {
      if (label === '') continue;
      element.setAttribute('aria-pressed', String(!hidden.has(label)));
      element.classList.toggle('off', hidden.has(label));
    }
  }

  /** @param values one for each entry. @param place of the cursor. */
  read(values: readonly string[], place: string): void {
    for (const [i, { value }] of this.#entries.entries()) value.textContent = values[i]!;
    this.place.textContent = place;
  }
}
