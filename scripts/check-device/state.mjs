// What has been found so far, in summary.json of the results: which parts are done for this build and device, and which come next. Pure
// but for reading and writing that file.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { longestSeconds } from './parts.mjs';

const format = 'burgeon-device-check-1';

/** @param identity { build, device, isTiny }; rows of another are not those of this. */
export function readState(file, identity) {
  const fresh = { format, ...identity, rows: [] };
  if (!existsSync(file)) return { state: fresh, isOther: false };
  let found;
  try {
    found = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return { state: fresh, isOther: true };
  }
  const isSame = found.format === format && Object.keys(identity).every((key) => found[key] === identity[key]);
  return isSame ? { state: found, isOther: false } : { state: fresh, isOther: true };
}

/** Whole or not at all, as the command may be killed at any moment. */
export function writeState(file, state) {
  writeFileSync(`${file}.new`, `${JSON.stringify({ ...state, date: new Date().toISOString() }, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}

export const rowOf = (state, name) => state.rows.find((row) => row.part === name);

/** In the order of the parts. */
export function withRow(state, row, parts) {
  const rows = [...state.rows.filter(({ part }) => part !== row.part), row];
  const order = parts.map(({ name }) => name);
  rows.sort((a, b) => order.indexOf(a.part) - order.indexOf(b.part));
  return { ...state, rows };
}

/** Never begun, or stopped before the end. */
export const isOpen = (state, part) => ['stopped', undefined].includes(rowOf(state, part.name)?.result);

/** Once stopped, a part is expected to take twice as long as it had. */
export function expectedSeconds(state, part) {
  const row = rowOf(state, part.name);
  const seconds = row?.result === 'stopped' ? Math.max(part.seconds, 2 * row.seconds) : (row?.seconds ?? part.seconds);
  return Math.min(Math.ceil(seconds), longestSeconds);
}

/**
 * Parts to run now: what did not pass, and all of them with `again`. Unless parts are named, what is open comes alone, so that a part
 * that failed is not repeated before all others have run.
 */
export function partsToRun(state, parts, { again = false, areNamed = false } = {}) {
  if (again) return parts;
  const open = parts.filter((part) => isOpen(state, part));
  const isRest = areNamed || open.length === 0;
  return isRest ? parts.filter((part) => rowOf(state, part.name)?.result !== 'passed') : open;
}

/**
 * Parts by name, or by the word that several begin with: "ops" is all of ops-....
 * @returns undefined where a name is of none.
 */
export function partsNamed(parts, names) {
  const chosen = names.map((name) => {
    const exact = parts.filter((part) => part.name === name);
    return exact.length > 0 ? exact : parts.filter((part) => part.name.startsWith(`${name}-`));
  });
  if (chosen.some((found) => found.length === 0)) return undefined;
  return parts.filter((part) => chosen.some((found) => found.includes(part)));
}
