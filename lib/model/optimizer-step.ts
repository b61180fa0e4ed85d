// The options of an update, as the engine takes them.

import type { NativeOptimizerStep } from '../addon/binding.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { requireOneOf, requireOptions } from './arguments.ts';
import { nativeSubnetwork } from './native-group.ts';
import type { OptimizerOptions } from './options.ts';

/** @param step from 1. @throws {BurgeonError} ERR_BURGEON_CONFIG, ERR_BURGEON_SHAPE. */
export function nativeOptimizerStep(model: ModelConfig, options: OptimizerOptions, step: number): NativeOptimizerStep {
  requireOptions('optimizerStep()', options);
  const inactive = requireOneOf('inactive', ['zero-grad', 'freeze'], options.inactive ?? 'zero-grad');
  return {
    lr: options.lr,
    beta1: options.beta1 ?? 0.9,
    beta2: options.beta2 ?? 0.95,
    epsilon: options.epsilon ?? 1e-8,
    momentum: options.momentum ?? 0.95,
    weightDecay: options.weightDecay ?? 0,
    cautiousWeightDecay: options.cautiousWeightDecay ?? false,
    gradientClip: options.gradientClip ?? 0,
    step,
    freeze: inactive === 'freeze',
    trained: options.trained && nativeSubnetwork(model, options.trained, 'trained'),
  };
}
