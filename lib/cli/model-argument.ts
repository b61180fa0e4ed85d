// A model on the command line; finding it is lib/checkpoint/find-model.ts.

export const modelArgumentHelp =
  'model directory, checkpoint, run directory (its newest checkpoint), or model_*.bin of llm.c';
