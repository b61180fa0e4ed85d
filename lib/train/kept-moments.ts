// Which moments of a checkpoint a model goes on with.

import type { OpenCheckpoint } from '../checkpoint/checkpoint.ts';
import { listTensors } from '../config/tensors.ts';
import type { Model } from '../model/model.ts';
import { type Moment, momentsOf } from '../optim/optimizer.ts';

/** A moment of a tensor. */
export interface MomentName {
  name: string;
  which: Moment;
}

/** In one order. Where the optimizer was changed on purpose, what the two keep of a tensor in different ways is not among them. */
export function keptMoments(model: Model, checkpoint: OpenCheckpoint): MomentName[] {
  const had = new Map(
    listTensors(model.config).map((tensor) => [tensor.name, momentsOf(checkpoint.optimizer, tensor)]),
  );
  return model.tensorNames.flatMap((name) => {
    const kept = model.moments(name);
    return kept.join() === had.get(name)!.join() ? kept.map((which) => ({ name, which })) : [];
  });
}
