// Options of `burgeon eval`, as its two kinds of evaluation take them.

import type { Device } from '../config/device.ts';
import type { TokenType } from '../data/token-type.ts';
import type { Subnetwork } from '../est/subnetwork.ts';

export interface EvalFlags {
  data?: string;
  /** Of the ids in files without a header. */
  dtype?: TokenType;
  split: 'train' | 'validation';
  windows: number | 'all';
  sequenceLength?: number | undefined;
  choices?: string;
  limit?: number;
  tokenizer?: 'gpt2' | 'bytes';
  batchSize: number;
  device?: Device;
  threads?: number;
  best?: boolean;
  json?: boolean;
  /** What of the model is evaluated; not of the command line. */
  subnetwork?: Subnetwork | undefined;
}
