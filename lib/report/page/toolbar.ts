// How curves are drawn: what over, on which scale, and how smooth.

import { weightOf } from '../curves.ts';
import { type Axis, axes } from '../run-data.ts';
import { h } from './dom.ts';

import { keepView, type View } from './view.ts';

const axisLabels: Record<Axis, string> = {
  step: 'steps',
  tokens: 'tokens',
  executedBlockFlops: 'block FLOPs',
  executedFlops: 'all FLOPs',
  trainSeconds: 'seconds',
};

export class Toolbar {
  readonly element: HTMLElement;
  readonly #view: View;
  readonly #onChange: () => void;
  readonly #weight = h('output');
  readonly #slider: HTMLInputElement;
  readonly #auto: HTMLButtonElement;
  #points = 0;

  /** @param view is changed. */
  constructor(view: View, onChange: () => void) {
    this.#view = view;
    this.#onChange = onChange;
    this.#slider = h('input', {
      ...{ type: 'range', name: 'smoothing', min: 0, max: 0.99, step: 0.01 },
      input: () => this.#smooth(Number(this.#slider.value)),
    });
    this.#auto = h(
      'button',
      { type: 'button', title: 'as smooth as suits the length of the run', click: () => this.#smooth('auto') },
      'auto',
    );
    this.element = h(
      'form',
      { class: 'toolbar', 'aria-label': 'how curves are drawn' },
      this.#choice('over', 'axis', axes, axisLabels),
      this.#choice('loss', 'scale', ['linear', 'log'] as const, { linear: 'linear', log: 'log' }),
      h('div', { class: 'smoothing' }, h('label', {}, 'smoothing', this.#slider), this.#weight, this.#auto),
    );
  }

  /** Shows the weight that curves of so many points are smoothed with. */
  show(points: number): void {
    this.#points = points;
    const { smoothing } = this.#view;
    const weight = weightOf(smoothing, points);
    this.#weight.textContent = weight.toFixed(2);
    this.#slider.value = String(weight);
    this.#auto.setAttribute('aria-pressed', String(smoothing === 'auto'));
  }

  #smooth(smoothing: View['smoothing']): void {
    this.#view.smoothing = smoothing;
    this.show(this.#points);
    this.#change();
  }

  #change(): void {
    keepView(this.#view);
    this.#onChange();
  }

  #choice<Key extends 'axis' | 'scale'>(
    title: string,
    key: Key,
    values: readonly View[Key][],
    labels: Record<View[Key], string>,
  ): HTMLElement {
    const view = this.#view;
    const radio = (value: View[Key]) => {
      const change = () => {
        view[key] = value;
        this.#change();
      };
      const input = h('input', { type: 'radio', name: key, value, checked: view[key] === value, change });
      return h('label', {}, input, h('span', {}, labels[value]));
    };
    return h('fieldset', {}, h('legend', {}, title), ...values.map(radio));
  }
}
