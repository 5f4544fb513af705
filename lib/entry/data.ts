/// <reference types="node" preserve="true" />
/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Data: sources of documents, streams to train on, data sets, tokenizers, images, safetensors. lib/index.ts has the rule for
 * what lies in which entry.
 * @module transfusion-js/data
 */
import '../profiling/environment.js'

// Documents: raw, as sources give them, and tokenized, as streams do.
export type {
  ImageFilePart,
  RawDocument,
  RawImagePart,
  RawPart,
  TokenizedDocument,
  TokenizedPart,
  TokenizedText,
} from '../data/document.js'

// Sources: files of documents.
export { type DataConfig, dataSchema, openSources, type OpenSourceOptions } from '../datasets/data_config.js'
export {
  type CaptionPolicy,
  type DocumentSource,
  type SourceCursor,
  type SourceItem,
  textsOf,
  type UnreadableDocument,
} from '../data/sources/document_source.js'
export {
  type DocumentCollection,
  type DocumentReader,
  indexedSource,
} from '../data/sources/indexed_source.js'
export { LeftOut, type LeftOutReason } from '../data/left_out.js'
export { openFolderSource } from '../data/sources/folder/folder_source.js'
export { type JsonlOptions, openJsonlSource } from '../data/sources/jsonl/jsonl_source.js'
export { openTarSource, type TarOptions } from '../data/sources/tar/tar_source.js'
export { openTextSource, type TextOptions } from '../data/sources/text_source.js'
export { datasetSource } from '../data/sources/dataset_source.js'

// Streams: documents of several sources, shuffled, mixed and preprocessed ahead of training.
export type { DocumentStream, SourceState, StreamState } from '../data/document_stream.js'
export type { PositionsOf } from '../data/stream/chunks.js'
export type { Preprocessor } from '../data/stream/preprocessor.js'
export { openStream, type StreamOptions, type WeightedSource } from '../data/stream/open_stream.js'

// Data sets: images with labels or captions.
export {
  ImageFolder,
  type ImageFolderOptions,
  type LabelledImages,
} from '../data/sources/folder/image_folder.js'
export { IdxDataset, type IdxDatasetOptions } from '../data/sources/idx/idx_dataset.js'
export {
  emojiCaption,
  type EmojiData,
  EmojiDataset,
  type EmojiPicture,
  openEmoji,
} from '../datasets/emoji/emoji.js'
export type { EmojiStyle } from '../datasets/emoji/emoji_names.js'

export { renderScene } from '../datasets/shapes/render.js'
export type { Scene, SceneObject } from '../datasets/shapes/scene.js'
export { promptTags } from '../datasets/shapes/prompts.js'
export type { Combinations, PromptMeaning, PromptTag, Requirement } from '../datasets/shapes/prompts.js'
export type { SceneEdit } from '../datasets/shapes/edits.js'

// Tokenizers: learning one, and what tokenizer.json holds.
export type { AddedToken, TokenizerJson, TokenizerModel } from '../tokenizer/tokenizer_json.js'
export { type BpeHooks, type BpeProgress, trainTokenizer } from '../tokenizer/bpe/train_tokenizer.js'
export type { BpeSettings } from '../tokenizer/bpe/options.js'

// Images: how they are brought to a model's size and values, and sheets of them.
export {
  defaultImageCodec,
  type ImageCodec,
  type ImageCodecConfig,
  pixelCodec,
  type ValueRange,
} from '../image/codec.js'
export {
  type ImagePreprocessing,
  type ImagePreprocessingOptions,
  imagePreprocessingSchema,
} from '../image/image_preprocessing.js'
export {
  type Caption,
  type Colour,
  type ContactSheet,
  drawContactSheet,
  type SheetCell,
  type SheetRow,
  type SheetSection,
} from '../image/contact_sheet.js'

// Safetensors.
export {
  type PendingTensor,
  readSafetensors,
  type SafetensorsFile,
  type SafetensorsTensor,
  writeSafetensors,
  type WrittenTensor,
} from '../files/safetensors/safetensors.js'
export type { Checksum } from '../files/checksum.js'
export { type ConversionOptions, parquetToJsonl } from '../data/parquet/parquet_to_jsonl.js'
export { SafetensorsReader } from '../files/safetensors/safetensors_reader.js'
export type { TensorEntry } from '../files/safetensors/safetensors_header.js'
