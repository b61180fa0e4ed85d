// What a part has measured, beside what was predicted (predictions.json).
import { readFileSync } from 'node:fs';

export const { figures: predictions } = JSON.parse(readFileSync(new URL('predictions.json', import.meta.url), 'utf8'));

export const median = (samples) => {
  const sorted = [...samples].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

/** @returns {{ name: string, ms: number, predictedMs?: number, share?: number }} share: of the predicted time. */
export function figure(name, ms) {
  const predictedMs = predictions[name];
  const rounded = Number(ms.toPrecision(4));
  return predictedMs === undefined
    ? { name, ms: rounded }
    : { name, ms: rounded, predictedMs, share: Number((ms / predictedMs).toFixed(3)) };
}

/** "f dense groups=1 freeze" of the key "f dense groups=1 freeze bf16 cuda:0". */
const nameOf = (key) => key.replace(/ (bf16|float32) .*$/, '');

/** The peaks of a file of `burgeon bench peak --json`, each the best of its samples. */
export function peakNote(file) {
  const { entries } = JSON.parse(readFileSync(file, 'utf8'));
  return entries
    .map(({ key, unit, samples }) => `${key.split(' ')[0]} ${(Math.max(...samples) / 1e12).toPrecision(3)} T${unit}`)
    .join(', ');
}

/** Of the entry of a file of `burgeon bench --json` that is named so after its model. */
export function medianOf(file, name) {
  const { entries } = JSON.parse(readFileSync(file, 'utf8'));
  return median(entries.find(({ key }) => nameOf(key).endsWith(` ${name}`)).samples);
}

/** Of the entries of a file of `burgeon bench --json`: those that were predicted, and dense steps. */
export function figuresOf(file) {
  const { entries } = JSON.parse(readFileSync(file, 'utf8'));
  return entries
    .filter(({ unit, key, name }) => unit === 'ms' && (nameOf(key) in predictions || name === 'dense'))
    .map(({ key, samples }) => figure(nameOf(key), median(samples)));
}
