// A process of `burgeon bench ranks`: takes the steps that rank-group.ts asks for. It ends when that is gone.

import process from 'node:process';
import { BurgeonError, type BurgeonErrorCode, isError } from '../errors.ts';
import type { StepVariant } from './model-rows.ts';
import { type RankSetup, RankSteps, type TakenStep } from './rank-steps.ts';

/** To a rank: what it is, once, and then steps. */
export type RankRequest = { setup: RankSetup } | { variant: StepVariant; step: number };
/** From it, one for each. */
export type RankReply = { done: TakenStep | null } | { failure: string; code: BurgeonErrorCode | undefined };

let steps: RankSteps | undefined;

process.on('message', async (request: RankRequest) => {
  try {
    if ('setup' in request) {
      steps = await RankSteps.create(request.setup);
      reply({ done: null });
    } else {
      reply({ done: await steps!.take(request.variant, request.step) });
    }
  } catch (error) {
    const code = error instanceof BurgeonError ? error.code : undefined;
    reply({ failure: isError(error) ? error.message : String(error), code });
  }
});
// There is nothing to save, and a call that waits for another rank would not hear of anything softer.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

function reply(message: RankReply): void {
  process.send!(message);
}
