// Which configuration a run goes on with. Keys that decide what is trained stay as they are, unless one is changed on
// purpose and the steps that are done would have been trained alike. Values are compared by what they do, not by how they
// are written. Pure.

import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { BurgeonError } from '../errors.ts';
import { Schedule } from '../est/schedule.ts';
import { describeMove, isSameSchedule, withFixedEnds } from '../est/schedule-change.ts';
import { valueText } from '../format.ts';
import { isJsonObject } from '../formats/json.ts';
import { groupCount } from './groups.ts';
import { parseTrainConfig, type TrainConfig } from './train-config.ts';

/** A key that has had another value since a step. */
export interface ConfigChange {
  /** Completed steps: the next one is the first with the new value. */
  step: number;
  /** For example `optimizer.learningRate`. */
  key: string;
  from: unknown;
  to: unknown;
}

/** A run as its checkpoint knows it. */
export interface RunSoFar {
  /** Of the checkpoint, for errors. */
  directory: string;
  /** Completed steps. */
  step: number;
  /** As stored: maybe by another version, with other keys. */
  config: Readonly<Record<string, unknown>>;
  changes: readonly ConfigChange[];
  /** What it computes in. */
  precision: string;
  vocabSize: number;
}

export interface WantedConfig {
  config: TrainConfig;
  /** What its `precision` means here. */
  precision: string;
  /** Keys, or sections of them, that are changed on purpose if they differ from the run's. */
  changes: readonly string[];
}

export interface Continuation {
  config: TrainConfig;
  /** Changes that begin now. */
  made: ConfigChange[];
  /** Values of earlier changes, `to`, that hold although the configuration still has the old ones, `from`. */
  kept: ConfigChange[];
}

/** Keys that decide what is trained; the others (evaluation, checkpoints, threads ...) may change whenever it is resumed. */
const decidingKeys = [
  'model',
  'initFrom',
  'seed',
  'steps',
  'batchSize',
  'sequenceLength',
  'accumulationSteps',
  'est',
  'optimizer', // but for `shard`
  'precision',
] as const;

/** Of these, what may change on purpose. The others also decide the data order, the weights or the subnetworks of steps done. */
const isChangeable = (key: string) =>
  key === 'steps' || key === 'est.schedule' || key === 'est.groupsPerStep' || key.startsWith('optimizer.');

interface Difference {
  key: string;
  from: unknown;
  to: unknown;
}

/** @throws {BurgeonError} ERR_BURGEON_CONFIG listing every key that may not differ, and what to do. */
export function continueConfig(run: RunSoFar, wanted: WantedConfig): Continuation {
  const given = wanted.config;
  const past = pastConfig(run.config, given);
  const result: Continuation = { config: { ...past, precision: given.precision }, made: [], kept: [] };
  const problems: string[] = [];
  const unnamed: Difference[] = [];
  // Where the keys are in order, `steps` is decided before the schedule, which it stretches.
  for (const difference of differencesOf(past, run, wanted)) {
    const { key, from, to } = difference;
    if (isWrittenOtherwise(key, past, given, result.config.steps)) continue;
    const isMeant = isNamed(key, wanted.changes) || followsFrom(key, past, wanted);
    if (isMeant && isChangeable(key)) {
      result.made.push({ step: run.step, key, from, to });
      result.config = withValue(result.config, key.split('.'), to) as TrainConfig;
    } else if (!isMeant && hadBefore(run.changes, key, to, given.steps)) {
      const { step } = run.changes.findLast((change) => change.key === key)!;
      result.kept.push({ step, key, from: to, to: from });
    } else {
      const device = key === 'precision' && given.precision === 'auto' ? ' on this device' : '';
      problems.push(`${key}: the run has ${valueText(from)}, the configuration ${valueText(to)}${device}`);
      if (isChangeable(key)) unnamed.push(difference);
    }
  }
  if (problems.length > 0) {
    fail(
      `cannot resume ${run.directory} with another configuration:\n  ${problems.join('\n  ')}\n${advice(unnamed.length < problems.length, unnamed)}`,
    );
  }
  if (result.made.length > 0) result.config = checkChanged(past, result.config, run);
  return result;
}

/**
 * The stored configuration as today's: keys that newer versions added have their defaults. What decides nothing is taken from
 * the one given. A key that is no more leaves it as it was stored.
 */
function pastConfig(stored: Readonly<Record<string, unknown>>, given: TrainConfig): TrainConfig {
  const isDeciding = (name: string) => (decidingKeys as readonly string[]).includes(name);
  const config = Object.fromEntries([
    ...Object.entries(given).filter(([name]) => !isDeciding(name)),
    ...Object.entries(stored).filter(([name]) => isDeciding(name)),
    // Who updates what is not what is trained.
    ...(isJsonObject(stored.optimizer)
      ? [['optimizer', { ...stored.optimizer, shard: given.optimizer.shard }] as const]
      : []),
  ]);
  try {
    return parseTrainConfig(config);
  } catch (error) {
    if (!(error instanceof BurgeonError)) throw error;
    return config as unknown as TrainConfig;
  }
}

function differencesOf(past: TrainConfig, run: RunSoFar, { config, precision }: WantedConfig): Difference[] {
  // A vocabulary that is left open is the data's, an automatic precision the device's.
  const comparable = (side: TrainConfig, precision: string): Record<string, unknown> => ({
    ...side,
    model: { ...side.model, vocabSize: side.model.vocabSize ?? run.vocabSize },
    precision,
  });
  const [before, now] = [comparable(past, run.precision), comparable(config, precision)];
  return decidingKeys.flatMap((key) => differencesBetween(key, before[key], now[key]));
}

export function differencesBetween(key: string, from: unknown, to: unknown): Difference[] {
  if (isJsonObject(from) && isJsonObject(to)) {
    return [...new Set([...Object.keys(from), ...Object.keys(to)])].flatMap((name) =>
      differencesBetween(`${key}.${name}`, from[name], to[name]),
    );
  }
  return JSON.stringify(from) === JSON.stringify(to) ? [] : [{ key, from, to }];
}

/** Whether a key means the same in both configurations, in a run of `steps`. */
function isWrittenOtherwise(key: string, past: TrainConfig, given: TrainConfig, steps: number): boolean {
  if (key === 'initFrom') {
    // Once there is a checkpoint, the model it began with is needed no longer.
    const isSame = past.initFrom !== undefined && path.resolve(past.initFrom) === path.resolve(given.initFrom ?? '');
    return given.initFrom === undefined || isSame;
  }
  if (key === 'est.groupsPerStep') {
    const groups = ({ est }: TrainConfig) => groupCount({ ...past, groupsPerStep: est.groupsPerStep });
    return groups(past) === groups(given);
  }
  if (key === 'est.schedule') {
    const isSameIn = (length: number) => isSameSchedule(past.est.schedule, given.est.schedule, length);
    return isSameIn(past.steps) && isSameIn(steps);
  }
  return false;
}

/** Whether one of the names is the key, a section that it is in, or something inside it. */
function isNamed(key: string, names: readonly string[]): boolean {
  return names.some((name) => name === key || key.startsWith(`${name}.`) || name.startsWith(`${key}.`));
}

/** Whether a key differs only because another does that is changed on purpose. */
function followsFrom(key: string, past: TrainConfig, { config, changes }: WantedConfig): boolean {
  if (key === 'optimizer.minLearningRate') {
    const isDefault = ({ optimizer }: TrainConfig) => optimizer.minLearningRate === optimizer.learningRate / 10;
    return isNamed('optimizer.learningRate', changes) && isDefault(past) && isDefault(config);
  }
  // The run's own stages, written in steps to stay where they are when the run becomes longer.
  return key === 'est.schedule' && isSameSchedule(past.est.schedule, config.est.schedule, past.steps);
}

/** Whether the run had this value before it was changed: as in a configuration file that is as it was. */
function hadBefore(changes: readonly ConfigChange[], key: string, value: unknown, steps: number): boolean {
  type Stages = TrainConfig['est']['schedule'];
  const isSame = (from: unknown) =>
    isDeepStrictEqual(from, value) ||
    (key === 'est.schedule' && isSameSchedule(from as Stages, value as Stages, steps));
  return changes.some((change) => change.key === key && isSame(change.from));
}

/** @throws {BurgeonError} ERR_BURGEON_CONFIG where values do not go together, or steps done would have been otherwise. */
function checkChanged(past: TrainConfig, changed: TrainConfig, { directory, step }: RunSoFar): TrainConfig {
  const config = parseTrainConfig(changed, `${directory} with these changes`);
  const refuse = (problem: string) => fail(`cannot resume ${directory} with these changes:\n  ${problem}`);
  if (config.steps <= step) {
    const isComplete = config.steps === past.steps;
    refuse(
      `steps: expected more than the ${step} that are done, received ${config.steps}${isComplete ? '; the run is complete, set steps as well' : ''}`,
    );
  }
  const before = new Schedule(past.est.schedule, past.steps);
  const move = describeMove(before, new Schedule(config.est.schedule, config.steps), step);
  if (move !== undefined) {
    const stages = withFixedEnds(past.est.schedule, before, config.steps, step);
    const example = stages === undefined ? '' : `, such as --set 'est.schedule=${JSON.stringify(stages)}'`;
    refuse(`est.schedule: ${move}, but what is done stays as it is; set stages with their ends in steps${example}`);
  }
  return config;
}

function advice(isOther: boolean, unnamed: readonly Difference[]): string {
  const own = "use the run's own values, or start a new run with another output";
  if (isOther) {
    return `${own}\nonly steps, est.schedule, est.groupsPerStep and optimizer can change within a run; with initFrom a new run starts from its weights`;
  }
  const learningRate = unnamed.find(({ key }) => key === 'optimizer.learningRate')?.to;
  const settable = unnamed.filter(
    ({ key, to }) => key !== 'optimizer.minLearningRate' || to !== Number(learningRate) / 10,
  );
  const set = settable.map(({ key, to }) =>
    typeof to === 'object' ? `--set '${key}=${JSON.stringify(to)}'` : `--set ${key}=${to}`,
  );
  return `${own}\nto go on with other values, change them on purpose: --resume ${set.join(' ')}`;
}

function withValue(section: object, [name, ...rest]: readonly string[], value: unknown): object {
  const inner = (section as Record<string, object>)[name!];
  return { ...section, [name!]: rest.length === 0 ? value : withValue(inner ?? {}, rest, value) };
}

function fail(message: string): never {
  throw new BurgeonError('ERR_BURGEON_CONFIG', message);
}
