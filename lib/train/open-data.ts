// Opens the data that a training configuration names.

import { type Dataset, loadDataset } from '../data/dataset.ts';
import { BurgeonError } from '../errors.ts';
import type { TrainConfig } from './train-config.ts';

/** @throws {BurgeonError} ERR_BURGEON_CONFIG where it names none; ERR_BURGEON_DATA as `loadDataset`. */
export function openData(config: TrainConfig): Promise<Dataset> {
  const { directory, train, validation } = config.data;
  if (directory !== undefined) return loadDataset({ directory });
  if (train !== undefined) return loadDataset({ train, validation, vocabSize: config.model.vocabSize });
  throw new BurgeonError(
    'ERR_BURGEON_CONFIG',
    'data: expected data.directory (made by `burgeon prepare`) or data.train, received neither',
  );
}
