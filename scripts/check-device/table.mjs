// The summary, for people.

const percent = (share) => `${Math.round(100 * share)} %`;

/** A part's figures in one line: what was predicted beside it. */
function figureText({ name, ms, predictedMs, share }) {
  return predictedMs === undefined
    ? `${name}: ${ms} ms`
    : `${name}: ${ms} ms, ${percent(share)} of the predicted ${predictedMs}`;
}

/** Rows as a table, each with its figures below it. */
export function summaryText(state, parts) {
  const width = Math.max(...parts.map(({ name }) => name.length));
  return parts
    .flatMap(({ name }) => {
      const row = state.rows.find(({ part }) => part === name);
      if (row === undefined) return [`${name.padEnd(width)}  open`];
      const { result, seconds, note, why, figures = [] } = row;
      const said = [`${seconds} s`, note, why].filter(Boolean).join('  ');
      return [
        `${name.padEnd(width)}  ${result.padEnd(7)}  ${said}`,
        ...figures.map((each) => `${''.padEnd(width)}  ${figureText(each)}`),
      ];
    })
    .join('\n');
}

/** Parts, what they are expected to take, and what became of them. */
export function listText(parts, state, expectedSeconds) {
  const width = Math.max(...parts.map(({ name }) => name.length));
  return parts
    .map((part) => {
      const result = state.rows.find((row) => row.part === part.name)?.result ?? 'open';
      return `${part.name.padEnd(width)}  ${String(expectedSeconds(state, part)).padStart(4)} s  ${result}`;
    })
    .join('\n');
}
