// Every op alone against the float64 reference, with operands in the device's memory: random numbers from a seed, outputs
// filled with NaN before.

import type { NativeOp, NativeOpShape } from '../addon/binding.ts';
import { loadAddon, native } from '../addon/load.ts';
import { isCuda, nativeOptions, targetOf } from '../bench/target.ts';
import type { Device } from '../config/device.ts';
import { chooseThreads } from '../model/native-options.ts';
import type { Measurement } from './checks.ts';

export interface OpCheck {
  op: NativeOp;
  shapes: NativeOpShape[];
}

const seed = 11;

const products = ['expand', 'contract', 'input_gradient', 'weight_gradient', 'mlp_forward', 'mlp_backward'] as const;
const head = ['head_forward', 'head_loss', 'head_input_gradient', 'head_weight_gradient'] as const;
const gatedProducts = ['swiglu_forward', 'swiglu_backward'] as const;
const attention = ['rotary', 'attention_forward', 'attention_backward'] as const;
const cached = ['cache_append', 'attention_cached'] as const;
const perToken = ['cross_entropy', 'norm_forward', 'norm_backward'] as const;
const embeddings = ['embedding_forward', 'embedding_backward'] as const;
/** Only where products take gathered weights. */
const gathering = ['gather', 'gather_vector', 'scatter_add'] as const;
const ofWeights = ['sum_of_squares', 'adamw'] as const;
/** Only where products take lists of rows. */
const ofHost = ['muon'] as const;

/** Sizes that fill no tile and no vector, and sizes that fill them; all rows active, and some. */
export function opChecks(device: Device, isQuick: boolean): OpCheck[] {
  const only = (quick: NativeOpShape[], full: NativeOpShape[]) => (isQuick ? quick : [...quick, ...full]);
  const checksOf = (ops: readonly NativeOp[], shapes: NativeOpShape[]) => ops.map((op): OpCheck => ({ op, shapes }));
  const rows = only(
    [
      { rows: 45, activeRows: 27, cols: 29 },
      { rows: 96, activeRows: 48, blockRows: 8, cols: 64 },
    ],
    [{ rows: 640, cols: 384 }],
  );
  const heads = only(
    [
      { n: 26, sequence: 13, heads: 4, kvHeads: 2, headSize: 10 },
      { n: 34, sequence: 34, heads: 2, kvHeads: 1, headSize: 64 },
    ],
    [
      { n: 300, sequence: 150, heads: 3, headSize: 64 },
      { n: 154, sequence: 77, heads: 4, kvHeads: 2, headSize: 128 },
    ],
  );
  const withTokens = (shapes: NativeOpShape[], small: number, large: number) =>
    shapes.map((shape, i) => ({ n: i < 2 ? small : large, ...shape }));
  const isOnCuda = isCuda(targetOf(device, 1));
  return [
    ...(isOnCuda ? checksOf(gathering, rows) : []),
    ...checksOf(
      embeddings,
      only(
        [
          { n: 26, sequence: 13, rows: 11, cols: 29 },
          { n: 32, sequence: 16, rows: 80, cols: 64 },
        ],
        [{ n: 512, sequence: 128, rows: 300, cols: 768 }],
      ),
    ),
    ...checksOf(
      perToken,
      only(
        [
          { n: 37, cols: 29 },
          { n: 40, cols: 264 },
        ],
        [
          { n: 300, cols: 768 },
          { n: 80, cols: 2048 },
        ],
      ),
    ),
    ...checksOf([...products, ...gatedProducts], withTokens(rows, 37, 300)),
    ...checksOf(
      head,
      withTokens(rows, 37, 300).map(({ n, rows, cols }) => ({ n, rows, cols }) as NativeOpShape),
    ),
    ...checksOf(attention, heads),
    ...checksOf(
      cached,
      heads.map((shape) => ({ ...shape, past: 21 })),
    ),
    ...checksOf(ofWeights, rows),
    ...(isOnCuda ? [] : checksOf(ofHost, rows)),
  ];
}

/** The worst of an op's shapes. */
export async function opAgainstReference(
  { op, shapes }: OpCheck,
  device: Device,
  precision: 'float32' | 'bf16',
): Promise<Measurement[]> {
  const options = { ...nativeOptions(targetOf(device, chooseThreads())), op, precision, seed };
  const worst = { largest: 0, norm: 0 };
  for (const shape of shapes) {
    const error = await native(() => loadAddon().binding.checkOp({ ...options, ...shape }));
    // NaN wins.
    worst.largest = Math.max(worst.largest, error.largest);
    worst.norm = Math.max(worst.norm, error.norm);
  }
  const isExact = precision === 'float32';
  return [
    { what: 'norm of the difference', measured: worst.norm, bound: isExact ? 1e-5 : 1e-2 },
    { what: 'largest difference', measured: worst.largest, bound: isExact ? 1e-4 : 3e-2 },
  ];
}
