// What is put into the page of a benchmark or a profile. Types only.

import type { Noise } from './noise.ts';

/** An op as it was measured once, in a chart. */
export interface Dot {
  /** Of the op, and which of its measurements: "rate 0.5". */
  name: string;
  detail: string;
  /** Index of its series. */
  series: number;
  /** Whether it is the one that has its name beside it. */
  isNamed: boolean;
  /** FLOPs per byte; null for an op without FLOPs, which is drawn beside the copy instead. */
  intensity: number | null;
  /** FLOP/s; B/s where there is no intensity. At the median of its times, and at their quartiles. */
  speed: number;
  low: number;
  high: number;
  /** What is read off it. */
  text: string;
}

export interface PageTable {
  title: string;
  note?: string;
  /** Whether it is long, and shown when asked for. */
  isFolded?: true;
  head: string[];
  /** Place of the column that answers what the table is asked, which a narrow screen shows first. Default: the last. */
  answer?: number;
  rows: string[][];
}

export interface BenchPageData {
  title: string;
  /** As it was typed. */
  command: string;
  /** ISO 8601. */
  written: string;
  machine: readonly (readonly [name: string, value: string])[];
  noise: Noise;
  warnings: string[];
  /** Measured peaks of products, FLOP/s, and of a memory copy, B/s. */
  roofs: { products: { name: string; perSecond: number }[]; copy: number };
  /** Kinds of measurements: "caches warm", "stage 1". */
  series: string[];
  dots: Dot[];
  /** One of each op. */
  sentences: string[];
  tables: PageTable[];
}
