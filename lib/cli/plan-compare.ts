// burgeon plan --compare: every preset for one model, side by side.

import { addonProblem } from '../addon/load.ts';
import { measureSchedules } from '../bench/schedule-times.ts';
import { BurgeonError } from '../errors.ts';
import { planSchedule } from '../est/plan.ts';
import { Schedule, type ScheduleName, scheduleNames } from '../est/schedule.ts';
import { schedulePresets } from '../est/schedule-presets.ts';
import { planStageMemory } from '../train/stage-memory.ts';
import { bytes, count, counted, duration, percent, table, wrapped } from './format.ts';
import { type PlanSubject, planOptions, withSchedule } from './plan-subject.ts';
import { ProgressLine } from './progress.ts';

interface PresetRow {
  schedule: ScheduleName;
  blockFlops: number;
  blockRatio: number;
  allFlops: number;
  allRatio: number;
  /** Estimated from steps measured here; null where they were not. */
  seconds: number | null;
  /** Activations of the first stage, and of the largest; null without the native addon. */
  firstActivations: number | null;
  activations: number | null;
  summary: string;
  source: string;
}

export interface PresetComparison {
  presets: PresetRow[];
  /** Presets that do not fit the model, with the reason. */
  left: { schedule: ScheduleName; reason: string }[];
}

/** @param measures whether steps are timed. */
export async function comparePresets(subject: PlanSubject, measures: boolean): Promise<PresetComparison> {
  const left: PresetComparison['left'] = [];
  const fitting = scheduleNames.flatMap((schedule) => {
    try {
      return [{ schedule, ...withSchedule(subject, schedule) }];
    } catch (error) {
      if (!(error instanceof BurgeonError)) throw error;
      left.push({ schedule, reason: error.message.split('\n').at(-1)!.trim() });
      return [];
    }
  });
  const hasEngine = addonProblem() === undefined;
  const runMs = measures && hasEngine ? await measured(fitting) : undefined;
  const presets = fitting.map((each, i): PresetRow => {
    const { schedule, model, config, modelOptions } = each;
    const plan = planSchedule(model, new Schedule(schedule, config.steps), planOptions(each));
    const memory = hasEngine ? planStageMemory(model, config, modelOptions) : undefined;
    const { summary, source } = schedulePresets[schedule];
    return {
      schedule,
      blockFlops: plan.blockFlops,
      blockRatio: 1 - plan.blockSaving,
      allFlops: plan.allFlops,
      allRatio: 1 - plan.allSaving,
      seconds: runMs === undefined ? null : runMs[i]! / 1000,
      firstActivations: memory?.[0]?.memory.activations ?? null,
      activations: memory ? Math.max(...memory.map(({ memory: { activations } }) => activations)) : null,
      summary,
      source,
    };
  });
  return { presets, left };
}

async function measured(subjects: readonly PlanSubject[]): Promise<number[]> {
  const { model, modelOptions } = subjects[0]!;
  const progress = new ProgressLine();
  try {
    const configs = subjects.map(({ config }) => config);
    const start = performance.now();
    return await measureSchedules(model, configs, modelOptions, (done, least) =>
      progress.update(() => {
        // A first round that is not timed, and one that is; small models have time for more.
        const left = ((performance.now() - start) / done) * (least - done);
        return `measuring steps of every stage, ${done} of ${Math.max(done, least)}${left > 0 ? `  ETA ${duration(left)}` : ''}`;
      }),
    );
  } finally {
    progress.clear();
  }
}

export function describePresets({ presets, left }: PresetComparison, steps: number): string {
  const dense = presets.find(({ schedule }) => schedule === 'dense')!;
  const rows = presets.map((row) => [
    row.schedule,
    `${percent(row.blockRatio)}`,
    `${percent(row.allRatio)}`,
    `${count(row.allFlops)}FLOP`,
    row.seconds === null ? 'not measured' : duration(1000 * row.seconds),
    row.seconds === null ? '' : percent(row.seconds / dense.seconds!),
    ...[row.firstActivations, row.activations].map((each) => (each === null ? 'not known' : bytes(each))),
  ]);
  return [
    `${counted(steps, 'step')} by each preset; shares are of the dense run`,
    table([['schedule', 'block FLOPs', 'all FLOPs', '', 'time, estimated', '', 'activations first', 'then'], ...rows]),
    '',
    ...presets.map(({ schedule, summary, source }) =>
      wrapped(`${schedule}: ${summary}${source === '' ? '' : ` (${source})`}`),
    ),
    ...left.map(({ schedule, reason }) => wrapped(`${schedule} does not fit: ${reason}`)),
    ...(dense.activations === null
      ? ['', 'times and activations need the native addon; `burgeon doctor` says what is wrong with it']
      : []),
    '',
    'less is not better by itself: docs/method.md has the loss that each reached',
  ].join('\n');
}
