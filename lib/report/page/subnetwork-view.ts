// Which units are trained: a row per layer with a square per head and a bar for the MLP, for one step and for the run so
// far. Any step can be shown, because what is drawn is a pure function of seed, step and group.

import { percent } from '../../format.ts';
import type { StartLine } from '../../train/metrics.ts';
import type { UnitShares } from '../../train/unit-usage.ts';
import { unitsOfStep } from '../units-of-step.ts';
import { fill, h } from './dom.ts';

/** A grid of shares; reads like a table. */
export function unitGrid(title: string, units: UnitShares): HTMLElement {
  const nHead = units.heads[0]?.length ?? 0;
  const rows = units.layers.map((layer, i) => {
    const heads = units.heads[i]!;
    const about = `layer ${i}: in ${percent(layer, 0)} of the sequences, heads ${heads.map((share) => percent(share, 0)).join(', ')}, MLP ${percent(units.neurons[i]!, 0)}`;
    return h(
      'div',
      { class: 'layer', role: 'img', 'aria-label': about },
      h('span', { class: 'name' }, String(i)),
      h(
        'span',
        { class: 'heads', style: `--heads: ${nHead}` },
        ...heads.map((share, head) =>
          h('i', { style: `--share: ${share}`, title: `layer ${i}, head ${head}: ${percent(share, 0)}` }),
        ),
      ),
      h(
        'span',
        { class: 'mlp', title: `layer ${i}, MLP: ${percent(units.neurons[i]!, 0)}` },
        h('i', { style: `--share: ${units.neurons[i]}` }),
      ),
      h('span', { class: 'value' }, percent(units.neurons[i]!, 0)),
    );
  });
  const head = h(
    'div',
    { class: 'layer head', 'aria-hidden': 'true' },
    h('span', { class: 'name' }, 'layer'),
    h('span', { class: 'heads' }, 'heads'),
    h('span', { class: 'mlp' }, 'MLP neurons'),
    h('span', { class: 'value' }),
  );
  return h('div', { class: 'units' }, h('h3', {}, title), head, ...rows);
}

export class SubnetworkView {
  readonly element: HTMLElement;
  readonly #slider: HTMLInputElement;
  readonly #step: HTMLElement;
  readonly #run: HTMLElement;
  #start: StartLine | undefined;
  /** Whether the newest step is shown, as it comes. */
  #follows = true;

  constructor() {
    this.#slider = h('input', {
      type: 'range',
      min: 1,
      'aria-label': 'step whose subnetworks are shown',
      input: () => {
        this.#follows = this.#slider.value === this.#slider.max;
        this.#drawStep();
      },
    });
    this.#step = h('div');
    this.#run = h('div');
    this.element = h(
      'section',
      { id: 'subnetwork' },
      h('h2', {}, 'What is trained'),
      h(
        'p',
        { class: 'note' },
        'Share of the sequences that train a unit, from none (empty) to all (full). Move the slider to any step.',
      ),
      this.#slider,
      h('div', { class: 'pair' }, this.#step, this.#run),
    );
  }

  /** @param run shares of all steps so far, with the step they go up to. @param first a step to begin with. */
  draw(start: StartLine | undefined, step: number, run: { step: number; units: UnitShares } | undefined): void {
    this.element.hidden = start === undefined || step === 0;
    if (start === undefined || step === 0) return;
    if (this.#start?.time !== start.time) this.#follows = true;
    this.#start = start;
    this.#slider.max = String(step);
    if (this.#follows) this.#slider.value = String(step);
    this.#drawStep();
    if (run) fill(this.#run, unitGrid(`All steps up to ${run.step}`, run.units));
  }

  /** Shows a step and stays there. */
  show(step: number): void {
    this.#follows = false;
    this.#slider.value = String(step);
    this.#drawStep();
  }

  #drawStep(): void {
    const step = Number(this.#slider.value);
    fill(this.#step, unitGrid(`Step ${step}`, unitsOfStep(this.#start!, step)));
  }
}
