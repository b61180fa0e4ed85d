// What the list says of a run, kept up to date by the lines of its metrics. Of steps only the newest is decoded, so a file of a
// million lines is read in about a second.

import { flopsUpTo, type SchedulePlan } from '../../est/plan.ts';
import type { EndLine, MetricsLine, StartLine, StepLine, TotalsLine } from '../../train/metrics.ts';
import type { RunOverview } from '../live-events.ts';
import { decodeLine } from '../read-run.ts';
import { savedSoFar } from '../run-data.ts';
import { planOf } from '../stage-rows.ts';

const killed = 'ended without a word, as when it is killed; --resume goes on';

export class RunDigest {
  #start: StartLine | undefined;
  #plan: SchedulePlan | undefined;
  #end: EndLine | undefined;
  #totals: TotalsLine | undefined;
  #warning: string | undefined;
  #heldOut: number | null = null;
  #best: number | null = null;
  #step = 0;
  /** First and newest step of this process: its pace lies between them. */
  #first: StepLine | undefined;
  #newest: StepLine | undefined;
  #undecoded: string | undefined;

  /** A step line as it stands in the file. */
  takeStep(text: string): void {
    this.#undecoded = text;
    if (this.#first === undefined) this.#first = this.#decodeStep();
  }

  /** Any other line. */
  take(line: MetricsLine): void {
    this.#decodeStep();
    this.#step = Math.max(this.#step, line.step);
    switch (line.kind) {
      case 'start':
        this.#start = line;
        this.#plan = planOf(line);
        this.#end = undefined;
        this.#first = undefined;
        this.#step = line.step;
        break;
      case 'validation':
        this.#heldOut = line.loss;
        this.#best = Math.min(line.loss, this.#best ?? Infinity);
        break;
      case 'totals':
        this.#totals = line;
        break;
      case 'warning':
        this.#warning = line.text;
        break;
      case 'end':
        this.#end = line;
        break;
    }
  }

  #decodeStep(): StepLine | undefined {
    if (this.#undecoded !== undefined) {
      const { read } = decodeLine(this.#undecoded, true);
      this.#undecoded = undefined;
      if (read?.kind === 'step') {
        this.#newest = read;
        this.#step = Math.max(this.#step, read.step);
      }
    }
    return this.#newest;
  }

  /** @param isHeld whether a process holds the lock of the run. */
  overview(name: string, { isHeld, changedMs }: { isHeld: boolean; changedMs: number }): RunOverview {
    this.#decodeStep();
    const state = this.#state(isHeld);
    const steps = this.#start?.config.steps ?? null;
    return {
      name,
      state,
      reason: this.#reason(state),
      step: this.#step,
      steps,
      loss: this.#newest?.loss ?? null,
      heldOut: this.#heldOut,
      bestHeldOut: this.#best,
      etaMs: state === 'running' ? this.#etaMs() : null,
      saved: savedSoFar(this.#totals?.stages ?? []),
      plannedSaving: this.#plan?.allSaving ?? null,
      changed: Math.round(changedMs),
    };
  }

  #state(isHeld: boolean): RunOverview['state'] {
    if (this.#end) return this.#end.state;
    if (isHeld) return 'running';
    return this.#start !== undefined && this.#step >= this.#start.config.steps ? 'complete' : 'stopped';
  }

  #reason(state: RunOverview['state']): string | null {
    if (state === 'failed') return this.#warning ?? 'no reason given';
    return state === 'stopped' && this.#end === undefined ? killed : null;
  }

  /** By the FLOPs that are planned for the steps to come, and those per second of this process so far. */
  #etaMs(): number | null {
    const [plan, first, newest] = [this.#plan, this.#first, this.#newest];
    if (!plan || !first || !newest) return null;
    const flops = newest.executedFlops - first.executedFlops;
    const left = plan.allFlops - flopsUpTo(plan, newest.step);
    return flops > 0 ? (1000 * left * (newest.trainSeconds - first.trainSeconds)) / flops : null;
  }
}
