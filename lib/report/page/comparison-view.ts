// The comparison on the page, but for its chart.

import type { ComparedGroup, Comparison } from '../compare-runs.ts';
import {
  comparedGroups,
  comparisonHead,
  comparisonRows,
  configDifferenceText,
  groupName,
  headline,
  lossNote,
} from '../comparison-text.ts';
import { curveRows, gainNote, gainRows, gainSentences, gainTitle } from '../gain-text.ts';
import { type Child, h, table } from './dom.ts';

export function comparisonSections(comparison: Comparison, gainChart: HTMLElement | undefined): HTMLElement[] {
  const { baseline, gain, notes } = comparison;
  const compared = comparedGroups(comparison);
  return [
    ...(gain ? [h('section', { id: 'compute-gain' }, ...gainParts(comparison))] : []),
    ...(gainChart ? [gainChart] : []),
    h(
      'section',
      { id: 'comparison' },
      h('h2', {}, `Against ${groupName(baseline)}`),
      !gain && sentencesOf(comparison),
      ...compared.map((other) => comparedPart(comparison, other, compared.length === 1)),
      configurations(comparison),
      h('p', { class: 'note' }, lossNote(comparison)),
      ...notes.map((note) => h('p', { class: 'note' }, `Note: ${note}.`)),
    ),
  ];
}

function gainParts(comparison: Comparison): Child[] {
  const gain = comparison.gain!;
  const [curveHead, ...lengths] = curveRows(gain);
  const [gainHead, ...gains] = gainRows(gain);
  return [
    h('h2', {}, gainTitle),
    gains.length > 0 && table(gainHead!, gains, { answer: 2, isEven: true }),
    sentencesOf(comparison),
    table(curveHead!, lengths, { isEven: true }),
    h('p', { class: 'note' }, gainNote(gain)),
  ];
}

function sentencesOf(comparison: Comparison): Child {
  const sentences = gainSentences(comparison);
  return sentences.length > 0 && h('ul', { class: 'sentences' }, ...sentences.map((sentence) => h('li', {}, sentence)));
}

function comparedPart(comparison: Comparison, other: ComparedGroup, isOnly: boolean): HTMLElement {
  return h(
    'details',
    { open: isOnly },
    h('summary', { class: 'headline' }, headline(comparison, other)),
    table(comparisonHead(comparison.baseline, other), comparisonRows(other).map(withColour)),
  );
}

/** A difference against the baseline stands out: lower is better. */
function withColour(row: readonly string[]): Child[] {
  return row.map((cell) => {
    const word = / (lower|higher)$/.exec(cell)?.[1];
    return word === undefined ? cell : h('span', { class: word }, cell);
  });
}

function configurations({ baseline, others }: Comparison): HTMLElement {
  return h(
    'details',
    { id: 'differences' },
    h('summary', {}, `Keys of the configurations that are not as in ${groupName(baseline)}`),
    h(
      'dl',
      {},
      ...others.flatMap((other) => [
        h('dt', {}, groupName(other)),
        ...(other.differences.length > 0 ? other.differences.map(configDifferenceText) : ['not known']).map((text) =>
          h('dd', {}, text),
        ),
      ]),
    ),
  );
}
