// Which optimizers there are, and what each keeps beside the weights. Counterpart of native/model/parameters.cc. Pure.

import type { ModelTensor } from '../config/tensors.ts';

export const optimizerTypes = ['adamw', 'muon'] as const;
export type OptimizerType = (typeof optimizerTypes)[number];

/** Running means of the gradient (m) and of its square (v). Muon's momentum is a mean of the gradient. */
export type Moment = 'm' | 'v';

type TensorFacts = Pick<ModelTensor, 'layer' | 'stored'>;

/** Whether the update of a tensor is orthogonalised: the matrices of layers, not embeddings and the output head. */
export function isOrthogonalised(optimizer: OptimizerType, { layer, stored }: TensorFacts): boolean {
  return optimizer === 'muon' && layer >= 0 && stored !== 'vector';
}

/** What an optimizer keeps of a tensor. */
export function momentsOf(optimizer: OptimizerType, tensor: TensorFacts): readonly Moment[] {
  return isOrthogonalised(optimizer, tensor) ? ['m'] : ['m', 'v'];
}
