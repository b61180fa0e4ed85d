// A training configuration as a program may give it: what has a default may be left out.
// Written by `npm run docs:configuration` from the schema, whose words it has: do not edit.

import type { Device } from '../config/device.ts';
import type { ModelConfigInput } from '../config/model-config-input.ts';
import type { ScheduleName } from '../est/schedule.ts';
import type { StageRate } from '../est/stage.ts';

/** A stage of `est.schedule`; it begins where the one before ends. */
export interface StageInput {
  /** First step after the stage. Give this or endFraction; the last needs none. */
  endStep?: number | undefined;
  /** End of the stage as a fraction of the run, a number or text such as 2/15. */
  endFraction?: number | string | undefined;
  /** Share of active attention heads per active layer, {perLayer: [first, last]} by layer, or [from, to] for a linear ramp over the stage. Default: 1. */
  heads?: StageRate | undefined;
  /** Share of active MLP neurons per active layer, {perLayer: [first, last]} by layer, or [from, to] for a linear ramp over the stage. Default: 1. */
  neurons?: StageRate | undefined;
  /** Share of active layers, {perLayer: [first, last]} by layer, or [from, to] for a linear ramp over the stage. Default: 1. */
  layers?: StageRate | undefined;
  /** Which units are active: uniform draws them for every step and group, first takes the first ones always. Default: uniform. */
  choose?:
    | 'uniform'
    | 'first'
    | {
        /** The same for layers alone. Default: uniform. */
        layers?: 'uniform' | 'first' | undefined;
        /** The same for heads alone. Default: uniform. */
        heads?: 'uniform' | 'first' | undefined;
        /** The same for neurons alone. Default: uniform. */
        neurons?: 'uniform' | 'first' | undefined;
      }
    | undefined;
  /** Whether sums over active units are multiplied by all / active. Default: where the choice is uniform. */
  rescale?: boolean | undefined;
  /** First layers that are always active. Default: est.keepFirst. */
  keepFirst?: number | undefined;
  /** Last layers that are always active. Default: est.keepLast. */
  keepLast?: number | undefined;
  /** Subnetworks per step. Default: est.groupsPerStep. */
  groupsPerStep?: number | 'auto' | 'sequence' | undefined;
  /** Sequences per micro-batch in this stage; divides batchSize * accumulationSteps. Default: batchSize. */
  batchSize?: number | undefined;
  /** What is trained for the first time starts from: keep, stack, repeat, middle, zero-out (layers alone), or a section. Default: keep. */
  transition?:
    | 'keep'
    | 'stack'
    | 'repeat'
    | 'middle'
    | 'zero-out'
    | {
        /** Where new layers come from: keep, stack, repeat, middle, zero-out. Default: keep. */
        layers?: 'keep' | 'stack' | 'repeat' | 'middle' | 'zero-out' | undefined;
        /** Where new heads and neurons come from: keep, zero-out, split. Default: keep. */
        width?: 'keep' | 'zero-out' | 'split' | undefined;
        /** The optimizer's moments of copies. Default: copy; zero where width is split, or copies would stay equal. */
        moments?: 'copy' | 'zero' | undefined;
        /** Steps over which the learning rate climbs again. Default: 0. */
        warmupSteps?: number | undefined;
        /** Share of the learning rate at which that begins. Default: 0. */
        warmupFrom?: number | undefined;
      }
    | undefined;
}

/** The keys of a training configuration. `parseTrainConfig` checks one that comes from elsewhere, for example from JSON. */
export interface TrainConfigInput {
  /** A preset's name, or a section with the fields below. Required, unless there is an initFrom. */
  model: ModelConfigInput;
  /** Model to start from, instead of new weights: a model directory, checkpoint, run directory or model_*.bin of llm.c. Default: none. */
  initFrom?: string | undefined;
  /** What the model is trained on. */
  data?:
    | {
        /** Directory that `burgeon prepare` wrote. */
        directory?: string | undefined;
        /** Token files for training, instead of a directory: a file pattern, or a list of them. */
        train?: string | readonly string[] | undefined;
        /** Token files for validation, together with data.train: a file pattern, or a list of them. */
        validation?: string | readonly string[] | undefined;
        /** Type of the ids in token files without a header: uint8, uint16, uint32, uint64, int16, int32, int64, little-endian. llm.c shards and .npy files say theirs. Default: uint16. */
        dtype?: 'uint8' | 'uint16' | 'uint32' | 'uint64' | 'int16' | 'int32' | 'int64' | undefined;
      }
    | undefined;
  /** Dense runs of two lengths or more on the same data, run directories or metrics files: at its end `train` tells the compute gain against them. Default: none. */
  baseline?: string | readonly string[] | undefined;
  /** Run directory: checkpoints, metrics and reports. Required. */
  output: string;
  /** Fixes everything random in the run. Default: 1. */
  seed?: number | undefined;
  /** Optimizer steps of the run. Required. */
  steps: number;
  /** Sequences per micro-batch. Required. */
  batchSize: number;
  /** Tokens per sequence. Default: model.contextLength. */
  sequenceLength?: number | undefined;
  /** Micro-batches per optimizer step. Default: 1. */
  accumulationSteps?: number | undefined;
  /** Which part of the model is trained in which step. */
  est?:
    | {
        /** Stages of the run: dense, est-gpt2, est-tinyllama, raptr, stack, stack-4, stack-late, stack-8, one-layer, midas, layer-dropout, or a list of stages. */
        schedule?: ScheduleName | readonly StageInput[] | undefined;
        /** Subnetworks per optimizer step; each trains on its share of the sequences. auto: at least 4 where there are 4 sequences; sequence: one each. Default: auto. */
        groupsPerStep?: number | 'auto' | 'sequence' | undefined;
        /** Rounds the number of active neurons to a multiple of this. Default: 1. */
        neuronMultiple?: number | undefined;
        /** Samples runs of this many adjacent neurons; divides model.nInner. Default: 1. */
        neuronBlock?: number | undefined;
        /** Where query heads share keys and values: group samples whole groups; query keeps all keys and values and samples query heads, as many of each group. Default: group. */
        headSampling?: 'group' | 'query' | undefined;
        /** First layers that are always active. Default: 0. */
        keepFirst?: number | undefined;
        /** Last layers that are always active. Default: 0. */
        keepLast?: number | undefined;
        /** inverse multiplies the branches of active layers by (layers / active layers). Default: none. */
        layerScale?: 'none' | 'inverse' | undefined;
      }
    | undefined;
  /** What updates the parameters, and its learning rate. */
  optimizer?:
    | {
        /** adamw: for all parameters. muon: Muon for the matrices of layers (queries, keys and values apart), AdamW for embeddings, output head, norms and biases. Default: adamw. */
        type?: 'adamw' | 'muon' | undefined;
        /** Highest learning rate. Default: 0.0006. */
        learningRate?: number | undefined;
        /** Learning rate of the last step; not used by constant. Default: learningRate / 10. */
        minLearningRate?: number | undefined;
        /** Shape of the learning rate after warm-up. Default: cosine. */
        schedule?: 'cosine' | 'linear' | 'constant' | 'wsd' | undefined;
        /** Steps of linear warm-up; step s (from 0) has learningRate * (s + 1) / warmupSteps. Default: 0. */
        warmupSteps?: number | undefined;
        /** wsd only: share of the run, at its end, over which the rate falls, as 1 - sqrt(x). Default: 0.2. */
        decayFraction?: number | undefined;
        /** AdamW's decay of the first moment. Default: 0.9. */
        beta1?: number | undefined;
        /** AdamW's decay of the second moment. Default: 0.95. */
        beta2?: number | undefined;
        /** Added to the root of AdamW's second moment. Default: 1e-8. */
        epsilon?: number | undefined;
        /** muon only: decay of its momentum, which is Nesterov's. Default: 0.95. */
        momentum?: number | undefined;
        /** Decoupled weight decay of matrices and embeddings; not of biases and norms. Default: 0.1. */
        weightDecay?: number | undefined;
        /** Whether elements that the rest of an update moves away from zero do not decay (Chen et al., arXiv 2510.12402). Default: false. */
        cautiousWeightDecay?: boolean | undefined;
        /** Largest global norm of the gradient; 0 turns clipping off. Default: 1. */
        gradientClip?: number | undefined;
        /** Parameters active in no group of a step: updated with a zero gradient, or left untouched. Default: zero-grad. */
        inactive?: 'zero-grad' | 'freeze' | undefined;
        /** Whether several ranks divide moments and update: less memory, the same bits. May change when a run is resumed. Default: false. */
        shard?: boolean | undefined;
      }
    | undefined;
  /** Loss on held-out data. */
  evaluation?:
    | {
        /** Steps between evaluations; 0: only at the end. Default: 250. */
        every?: number | undefined;
        /** Sequences of validation data per evaluation. Default: 64. */
        windows?: number | 'all' | undefined;
      }
    | undefined;
  /** Text that is written during training. */
  sample?:
    | {
        /** Steps between samples of text; 0: none. Default: 0. */
        every?: number | undefined;
        /** Text to continue; may be empty. Default: "". */
        prompt?: string | undefined;
        /** Tokens per sample. Default: 200. */
        length?: number | undefined;
        /** Divides the logits; 0: always the likeliest token. Default: 0.8. */
        temperature?: number | undefined;
        /** Draws from the k likeliest tokens only; 0: off. Default: 0. */
        topK?: number | undefined;
        /** Draws from the likeliest tokens that make up this probability; 1: off. Default: 1. */
        topP?: number | undefined;
      }
    | undefined;
  /** When checkpoints are written, and which of them stay. */
  checkpoint?:
    | {
        /** Steps between checkpoints; 0: none by steps. There is always one at the end and on interruption. Default: 0. */
        every?: number | undefined;
        /** Minutes after which one is written in any case, which changes no result; 0: none by time. Default: 10. */
        everyMinutes?: number | undefined;
        /** Newest checkpoints that stay on disk. Default: 2. */
        keepLast?: number | undefined;
        /** Whether the checkpoint with the lowest validation loss stays as well. Default: true. */
        keepBest?: boolean | undefined;
      }
    | undefined;
  /** Metrics. */
  log?:
    | {
        /** Steps between lines of metrics. Default: 1. */
        every?: number | undefined;
        /** FLOPs per second that MFU is a share of: the processor's own figure, or measured at the start. Default: measured. */
        peakFlops?: number | 'measured' | undefined;
      }
    | undefined;
  /** What computes: cpu, cuda, cuda:1, ..., or reference, plain loops. auto: BURGEON_DEVICE, else CUDA where it works. Default: auto. */
  device?: Device | undefined;
  /** bf16: activations and operands of products; weights and sums stay float32. auto: bf16 on CUDA devices, else float32. Default: auto. */
  precision?: 'auto' | 'float32' | 'bf16' | undefined;
  /** Threads on the processor. Default: auto. */
  threads?: number | 'auto' | undefined;
}
