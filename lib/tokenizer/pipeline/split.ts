// Splitting a text at the matches of a pattern, with every way of the tokenizers library to say what becomes of the matches
// (NormalizedString::split). Pure.

export const behaviors = ['Removed', 'Isolated', 'Contiguous', 'MergedWithPrevious', 'MergedWithNext'] as const;

/** What becomes of a match: left out, a piece of its own, one piece with matches beside it, or part of a neighbour. */
export type SplitBehavior = (typeof behaviors)[number];

interface Span {
  start: number;
  end: number;
  isMatch: boolean;
}

/**
 * @param pattern global.
 * @param invert  what lies between the matches counts as match.
 * @returns pieces that are not empty, in order, with the place where each begins.
 */
export function splitText(
  text: string,
  pattern: RegExp,
  behavior: SplitBehavior,
  invert = false,
): { start: number; text: string }[] {
  const spans = spansOf(text, pattern).map((span) => ({ ...span, isMatch: span.isMatch !== invert }));
  return join(spans, behavior).map(({ start, end }) => ({ start, text: text.slice(start, end) }));
}

function spansOf(text: string, pattern: RegExp): Span[] {
  const spans: Span[] = [];
  let end = 0;
  for (const { 0: match, index } of text.matchAll(pattern)) {
    if (match === '') continue;
    if (index > end) spans.push({ start: end, end: index, isMatch: false });
    end = index + match.length;
    spans.push({ start: index, end, isMatch: true });
  }
  if (end < text.length) spans.push({ start: end, end: text.length, isMatch: false });
  return spans;
}

function join(spans: Span[], behavior: SplitBehavior): Span[] {
  switch (behavior) {
    case 'Removed':
      return spans.filter(({ isMatch }) => !isMatch);
    case 'Isolated':
      return spans;
    case 'Contiguous':
      return merge(spans, (span, before) => span.isMatch === before.isMatch);
    case 'MergedWithPrevious':
      return merge(spans, (span, before) => span.isMatch && !before.isMatch);
    case 'MergedWithNext':
      return merge(spans, (span, before) => !span.isMatch && before.isMatch);
  }
}

/** Joins neighbours; the condition sees the single spans. */
function merge(spans: Span[], belongs: (span: Span, before: Span) => boolean): Span[] {
  const merged: Span[] = [];
  for (const [i, span] of spans.entries()) {
    const last = merged.at(-1);
    if (last !== undefined && belongs(span, spans[i - 1]!)) last.end = span.end;
    else merged.push({ ...span });
  }
  return merged;
}
