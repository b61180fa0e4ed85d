// The comparison on the page.

import type { Comparison } from '../compare-runs.ts';
import { comparisonHead, comparisonRows, groupName, headline } from '../comparison-text.ts';
import { h, table } from './dom.ts';

export function comparisonSection(comparison: Comparison): HTMLElement {
  const { baseline, others } = comparison;
  const [where, what] = comparisonHead as [string, string];
  return h(
    'section',
    { id: 'comparison' },
    h('h2', {}, `Against ${groupName(baseline)}`),
    ...others.flatMap((other) => [
      h('p', { class: 'headline' }, headline(comparison, other)),
      table([where, what, groupName(baseline), groupName(other), `${groupName(other)} is`], comparisonRows(other)),
    ]),
    h(
      'p',
      { class: 'note' },
      'Held-out loss, nats per token, linear between evaluations. FLOPs with the output head. Mean ± standard deviation over seeds.',
    ),
  );
}
