// The public names of burgeon. Everything else is internal and may change.

export type { Peak } from './addon/peak.ts';
export { measurePeak } from './addon/peak.ts';
export { loadTokenizer } from './checkpoint/load-tokenizer.ts';
export type { SpecialIds } from './checkpoint/special-ids.ts';
export { subnetworkContents } from './checkpoint/subnetwork-contents.ts';
export type { Device } from './config/device.ts';
export {
  type Gpt2Config,
  type LlamaConfig,
  type ModelConfig,
  parseModelConfig,
  type Qwen2Config,
} from './config/model-config.ts';
export type { ModelConfigInput, ModelFields } from './config/model-config-input.ts';
export { type ModelPresetName, modelPresetNames } from './config/presets.ts';
export { type DataManifest, readManifest } from './data/manifest.ts';
export { BurgeonError, type BurgeonErrorCode, errorCodes } from './errors.ts';
export type { FlopComponents, FlopCount } from './est/flops.ts';
export * as flops from './est/flops.ts';
export { countNewtonSchulzFlops } from './est/newton-schulz.ts';
export { type Part, partSubnetwork, trainedPart } from './est/part.ts';
export { type PlanOptions, planSchedule, type SchedulePlan } from './est/plan.ts';
export type { LayerRates, Rate, Rates } from './est/rates.ts';
export {
  type ActiveCounts,
  type Choice,
  type DrawKey,
  type SamplerConfig,
  type SamplerOptions,
  sampleSubnetwork,
} from './est/sampler.ts';
export { Schedule, type ScheduleName, type StageConfig, type StageRate } from './est/schedule.ts';
export type { Scale, Subnetwork } from './est/subnetwork.ts';
export type { Transition } from './est/transition.ts';
export type { Growth } from './model/grow.ts';
export { Model } from './model/model.ts';
export type { SamplingOptions } from './model/next-token.ts';
export type {
  BackwardOptions,
  BatchOptions,
  CreateOptions,
  ForwardOptions,
  ForwardResult,
  GenerateOptions,
  ModelOptions,
  OptimizerOptions,
  Precision,
  SequenceGroup,
  StepResult,
  TensorData,
  UpdateResult,
} from './model/options.ts';
export type { Moment, OptimizerType } from './optim/optimizer.ts';
export type { DocumentExcerpt, DocumentPlace, NearDuplicate } from './prepare/near-duplicates/filter.ts';
export { type PrepareOptions, prepare } from './prepare/prepare.ts';
export { type Preview, type PreviewOptions, previewPrepare } from './prepare/preview.ts';
export type { PrepareProgress } from './prepare/progress.ts';
export {
  type TrainedTokenizer,
  type TrainTokenizerOptions,
  type TrainTokenizerProgress,
  trainTokenizer,
} from './prepare/train-tokenizer.ts';
export { Communicator, type CommunicatorPlace } from './ranks/communicator.ts';
export { type Fold, foldsOf, type RankOf, shareOf } from './ranks/shares.ts';
export { createTokenizer } from './tokenizer/open-tokenizer.ts';
export type { Tokenizer, TokenizerDescription } from './tokenizer/tokenizer.ts';
export { type FollowOptions, follow } from './train/follow.ts';
export { loadTrainConfig } from './train/load-train-config.ts';
export type { StartMode } from './train/run-directory.ts';
export type { RunSummary } from './train/summary.ts';
export { parseTrainConfig, type TrainConfig } from './train/train-config.ts';
export type { StageInput, TrainConfigInput } from './train/train-config-input.ts';
export { type StepRecord, Trainer, type TrainerOptions } from './train/trainer.ts';
export { type TrainedPart, whatIsTrained } from './train/what-is-trained.ts';
