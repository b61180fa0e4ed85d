// The words for what computes. Pure; lib/model/device.ts finds out what they mean on this machine.

/**
 * auto: BURGEON_DEVICE, else a CUDA device where one can be used, else the processor. cuda is cuda:0, in a rank of several the
 * device of its number on the host. reference is plain loops
 * on the processor: slow, for comparison.
 */
export type Device = 'auto' | 'cpu' | 'cuda' | `cuda:${number}` | 'reference';

export const deviceWords = 'auto, cpu, cuda, cuda:<number> or reference';

const pattern = /^(?:auto|cpu|reference|cuda(?::\d{1,3})?)$/;

/** As JSON Schema. */
export const deviceShape = { type: 'string', pattern: pattern.source, 'x-type': 'Device' } as const;

export function isDevice(value: unknown): value is Device {
  return typeof value === 'string' && pattern.test(value);
}
