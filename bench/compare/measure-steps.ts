// One row of steps.ts in one precision: starts the contenders, lets them take turns and sums up. burgeon runs beside all
// rivals, or beside as many at a time as the row allows, so that every rival is compared with burgeon round by round.

import { Contender, type ContenderCommand, nodeContender } from './contender.ts';
import { isDense, type Precision, type StepRequest } from './step-rows.ts';
import { prepareAll, type Ready, type Side, type Spread, spread, type Turn, takeTurns } from './turns.ts';

export interface Result {
  row: string;
  precision: Precision;
  contender: string;
  version: string;
  note: string;
  ms: Spread;
  tokensPerSecond: number;
  /** Resident, in any of the measured turns. */
  peakRssMB: number;
  firstLoss: number;
  /** This contender's time over burgeon's, round by round. */
  overBurgeon?: Spread;
}

export interface Failure {
  row: string;
  precision: Precision;
  contender: string;
  reason: string;
}

/** A contender's turns after the warm-ups; burgeon has those of every part of the rivals. */
interface Measured {
  ready: Ready;
  firstLoss: number;
  turns: Turn[];
  /** Over burgeon's turn of the same round. */
  ratios: number[];
}

/** The first compiles, allocates and decides on kernels. */
export const warmUps = 3;

/** @param asked whether a contender of this name takes part. */
export async function measureSteps(
  row: StepRequest,
  rivals: readonly ContenderCommand[],
  { rounds, asked }: { rounds: number; asked: (name: string) => boolean },
): Promise<{ results: Result[]; failures: Failure[] }> {
  const own = [nodeContender('burgeon', 'burgeon-step.ts', 'freeze')];
  if (!isDense(row)) own.push(nodeContender('burgeon, defaults', 'burgeon-step.ts', 'defaults'));
  const burgeons = own.filter(({ name }) => asked(name));
  const others = rivals.filter(({ name }) => asked(name));

  const failures: Failure[] = [];
  const drop = (side: Side, reason: string) => {
    console.log(`  ${side.name} is not available: ${reason.split('\n')[0]}`);
    failures.push({ row: row.name, precision: row.precision, contender: side.name, reason });
  };
  const measured = new Map<string, Measured>();
  for (let first = 0; first === 0 || first < others.length; first += row.rivalsAtOnce) {
    const contenders = [...burgeons, ...others.slice(first, first + row.rivalsAtOnce)].map((it) => new Contender(it));
    try {
      const ready = await prepareAll(contenders, { row }, drop);
      const turns = await takeTurns(ready.keys(), { warmUps, rounds, steps: row.stepsPerTurn }, drop);
      const base = [...turns].find(([side]) => side.name === 'burgeon')?.[1].slice(warmUps);
      for (const [side, all] of turns) {
        const taken = all.slice(warmUps);
        const soFar = measured.get(side.name) ?? {
          ready: ready.get(side)!,
          firstLoss: all[0]!.loss!,
          turns: [],
          ratios: [],
        };
        soFar.turns.push(...taken);
        if (base !== undefined) soFar.ratios.push(...taken.map(({ ms }, round) => ms / base[round]!.ms));
        measured.set(side.name, soFar);
      }
    } finally {
      for (const contender of contenders) await contender.end();
    }
  }
  return { results: [...measured].map(([contender, it]) => summarise(row, contender, it)), failures };
}

function summarise(row: StepRequest, contender: string, { ready, firstLoss, turns, ratios }: Measured): Result {
  const expected = Math.log(row.vocabSize);
  // The turn's last loss, so a few steps on one batch may have lowered it.
  if (Math.abs(firstLoss - expected) > 0.1 * expected + 0.2) {
    console.log(`  ${contender} began with loss ${firstLoss.toFixed(2)}, expected about ${expected.toFixed(2)}`);
  }
  const ms = spread(turns.map((turn) => turn.ms));
  return {
    row: row.name,
    precision: row.precision,
    contender,
    version: ready.version ?? '',
    note: ready.note ?? '',
    ms,
    tokensPerSecond: (1000 * row.batchSize * row.sequenceLength) / ms.median,
    peakRssMB: Math.max(...turns.map((turn) => turn.peakRssMB ?? 0)),
    firstLoss,
    ...(ratios.length > 0 && { overBurgeon: spread(ratios) }),
  };
}
