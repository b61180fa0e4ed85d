// The runs of the page in a table, and why some of them failed, which comes before anything else.

import { count, duration, percent } from '../../format.ts';
import { failureReason, isOver, type RunData, savedSoFar } from '../run-data.ts';
import { type Child, h, swatch, table } from './dom.ts';
import type { GroupLook } from './group-curves.ts';

/** Runs that failed, each with its reason; nothing where none did. */
export function failures(runs: readonly RunData[]): Child {
  const failed = runs.flatMap((run) => {
    const reason = failureReason(run);
    return reason === undefined ? [] : [{ run, reason }];
  });
  if (failed.length === 0) return undefined;
  return h(
    'section',
    { id: 'failures', role: 'alert' },
    ...failed.map(({ run, reason }) =>
      h(
        'p',
        {},
        h('b', {}, `${runs.length > 1 ? `${run.name} failed` : 'Failed'} after step ${run.step}: `),
        h('span', {}, reason),
      ),
    ),
  );
}

/** @param liveState of a run that is going on, which its metrics do not say. */
export function runsTable(
  runs: readonly RunData[],
  lookOfRun: (run: RunData) => GroupLook,
  liveState: string | undefined,
): HTMLElement {
  const or = (value: number | null | undefined, format: (value: number) => string) =>
    value === null || value === undefined ? '–' : format(value);
  const fixed = (value: number) => value.toFixed(4);
  return table(
    ['run', 'state', 'steps', 'held-out loss', 'best', 'tokens', 'executed FLOPs', 'FLOPs saved', 'training time'],
    runs.map((run) => {
      const heldOut = run.validation.loss.filter((loss) => loss !== null);
      return [
        h('span', { class: 'key' }, swatch('strong', lookOfRun(run)), h('span', { class: 'run-name' }, run.name)),
        stateMark(liveState ?? run.state),
        run.start ? `${run.step} of ${run.start.config.steps}` : String(run.step),
        or(heldOut.at(-1), fixed),
        or(heldOut.length > 0 ? Math.min(...heldOut) : null, fixed),
        or(run.steps.tokens.at(-1), count),
        or(run.steps.executedFlops.at(-1), count),
        savedText(run),
        or(run.steps.trainSeconds.at(-1), (value) => duration(1000 * value)),
      ];
    }),
    { answer: 3 },
  );
}

/** A state in its colour. */
export function stateMark(state: string): HTMLElement {
  return h('span', { class: `state ${state}` }, state);
}

/** "29.0 %"; before the end "75.0 % so far, 29.0 % planned": stages that leave much out come first. */
function savedText(run: RunData): string {
  const saved = savedSoFar(run.totals?.stages ?? []);
  if (saved === null) return run.plannedSaving ? `${percent(run.plannedSaving.all)} planned` : '–';
  if (isOver(run) || run.plannedSaving === null) return percent(saved);
  return `${percent(saved)} so far, ${percent(run.plannedSaving.all)} planned`;
}
