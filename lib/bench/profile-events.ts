// What happened in the steps that are profiled, as spans of time; sums of them by op and phase; and as a trace that
// chrome://tracing and Perfetto read. Pure.

import type { NativeOpEvent } from '../addon/binding.ts';
import { bytesMoved, type NumberBytes } from './op-traffic.ts';
import { skipEfficiency } from './statistics.ts';

export const phases = ['data', 'forward', 'backward', 'optimizer', 'idle'] as const;
export type Phase = (typeof phases)[number];

/** An op that ran, or the wait for a batch. Times in milliseconds on the clock of `performance.now`. */
export interface Span {
  name: string;
  phase: Phase;
  start: number;
  ms: number;
  flops: number;
  bytes: number;
  sizes: number[];
}

/** One optimizer step. */
export interface ProfiledStep {
  start: number;
  ms: number;
  spans: Span[];
}

/** The ops of one step. @param now when they were taken. */
export function spansOf(events: readonly NativeOpEvent[], now: number, bytes: NumberBytes): Span[] {
  const phaseOf = phaseByOrder();
  return events.map(({ op, agoNs, durationNs, flops, sizes }) => ({
    name: op,
    phase: phaseOf(op),
    start: now - agoNs / 1e6,
    ms: durationNs / 1e6,
    flops,
    bytes: bytesMoved(op, sizes, bytes),
    sizes,
  }));
}

/**
 * Tells phases by the order of the ops (native/model/step.cc). A group begins with the embedding; its loss is computed in
 * blocks of logits, each with its own backward products, and then the backward pass begins with the final norm's. An
 * update begins with the norm of the gradient.
 */
function phaseByOrder(): (op: string) => Phase {
  let state: 'forward' | 'loss' | 'backward' | 'optimizer' = 'forward';
  return (op) => {
    if (op === 'embedding_forward' || op.startsWith('gather_')) state = 'forward';
    else if (op === 'cross_entropy' || op === 'head_loss') state = 'loss';
    else if (op === 'sum_of_squares' || op === 'adamw' || op === 'muon') state = 'optimizer';
    else if (op.endsWith('_backward')) state = 'backward';
    if (state === 'loss') return /^(cross_entropy|head_loss|linear_expand)$/.test(op) ? 'forward' : 'backward';
    return state;
  };
}

/** An op in a phase; of a step, as everything in StepTotals. */
export interface OpTotals {
  op: string;
  phase: Phase;
  calls: number;
  ms: number;
  flops: number;
  bytes: number;
  /** Of the step's time. */
  share: number;
}

/** Means over the faster half of the steps, so that what else ran for a moment does not count. */
export interface StepTotals {
  ms: number;
  /** What is left of a step without data and ops is idle. */
  phases: Record<Phase, number>;
  /** The longest first. */
  ops: OpTotals[];
}

export function totalsOf(steps: readonly ProfiledStep[]): StepTotals {
  const faster = [...steps].sort((a, b) => a.ms - b.ms).slice(0, Math.ceil(steps.length / 2));
  const spans = faster.flatMap((step) => step.spans);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / faster.length;
  const ms = mean(faster.map((step) => step.ms));
  const phaseMs = (phase: Phase) => mean(spans.filter((span) => span.phase === phase).map((span) => span.ms));
  const busy = {
    data: phaseMs('data'),
    forward: phaseMs('forward'),
    backward: phaseMs('backward'),
    optimizer: phaseMs('optimizer'),
  };
  const ops = new Map<string, Span[]>();
  for (const span of spans) {
    if (span.phase === 'data') continue;
    const key = `${span.phase} ${span.name}`;
    const calls = ops.get(key);
    if (calls) calls.push(span);
    else ops.set(key, [span]);
  }
  return {
    ms,
    phases: { ...busy, idle: ms - Object.values(busy).reduce((sum, phase) => sum + phase, 0) },
    ops: [...ops.values()]
      .map((calls): OpTotals => {
        const opMs = mean(calls.map((call) => call.ms));
        return {
          op: calls[0]!.name,
          phase: calls[0]!.phase,
          calls: calls.length / faster.length,
          ms: opMs,
          flops: mean(calls.map(({ flops }) => flops)),
          bytes: mean(calls.map(({ bytes }) => bytes)),
          share: opMs / ms,
        };
      })
      .sort((a, b) => b.ms - a.ms),
  };
}

/** Where less than so much work is saved, its ratio to the time saved says nothing. */
const mostWork = 0.95;

/** What leaving units out saves of an op, against the same op of complete steps. */
export interface OpSaving {
  /** Of the time and of the FLOPs (bytes, for an op without them) that complete steps take. */
  timeRatio: number;
  workRatio: number;
  /** Time saved over work saved; null where hardly any work is saved. */
  efficiency: number | null;
}

export function savingOf(op: OpTotals, complete: StepTotals): OpSaving | null {
  const whole = complete.ops.find((other) => other.op === op.op && other.phase === op.phase);
  const work = (totals: OpTotals) => totals.flops || totals.bytes;
  if (whole === undefined || work(whole) === 0) return null;
  const [timeRatio, workRatio] = [op.ms / whole.ms, work(op) / work(whole)];
  return { timeRatio, workRatio, efficiency: workRatio <= mostWork ? skipEfficiency(timeRatio, workRatio) : null };
}

/** Steps by name, in the Trace Event Format. */
export function traceOf(stages: readonly { name: string; steps: readonly ProfiledStep[] }[]): object {
  const first = Math.min(...stages.flatMap(({ steps }) => steps.map(({ start }) => start)));
  const complete = (name: string, category: string, start: number, ms: number, thread: number, args: object) => ({
    name,
    cat: category,
    ph: 'X',
    ts: 1000 * (start - first),
    dur: 1000 * ms,
    pid: 1,
    tid: thread,
    args,
  });
  const named = (thread: number, name: string) => ({
    name: 'thread_name',
    ph: 'M',
    pid: 1,
    tid: thread,
    args: { name },
  });
  return {
    displayTimeUnit: 'ms',
    traceEvents: [
      { name: 'process_name', ph: 'M', pid: 1, args: { name: 'burgeon' } },
      named(1, 'steps'),
      named(2, 'ops'),
      ...stages.flatMap(({ name, steps }) =>
        steps.flatMap((step) => [
          complete(name, 'step', step.start, step.ms, 1, {}),
          ...step.spans.map((span) => {
            const { flops, bytes, sizes } = span;
            return complete(span.name, span.phase, span.start, span.ms, 2, { flops, bytes, sizes: sizes.join(' ') });
          }),
        ]),
      ),
    ],
  };
}
