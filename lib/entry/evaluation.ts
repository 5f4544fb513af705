/// <reference types="node" preserve="true" />
/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Measuring models: metrics of generated images and of text, the classifier that they rest on, comparisons of samplers.
 * lib/index.ts has the rule for what lies in which entry.
 * @module transfusion-js/evaluation
 */
import '../profiling/environment.js'

// Generated images: by class, and by samplers.
export { evaluate, type EvaluateOptions, type Evaluation } from '../evaluation/evaluate.js'
export type { EvaluateSettings } from '../evaluation/tasks/evaluate_config.js'
export type { EvaluationResult, Metric } from '../evaluation/tasks/evaluation_result.js'
export { type ClassifierTraining, ImageClassifier } from '../evaluation/classes/image_classifier.js'
export type { ClassifierSizes } from '../evaluation/classes/classifier_network.js'
export type { ClassData } from '../evaluation/classes/class_data.js'
export {
  type ClassImageOptions,
  generateClassImages,
  type GeneratedClassImages,
} from '../evaluation/classes/class_images.js'
export { ClassReference } from '../evaluation/classes/class_reference.js'
export { ClassReferences } from '../evaluation/classes/class_references.js'
export { describeImages, type DescribingOptions } from '../evaluation/describe_images.js'
export {
  type ClassEvaluation,
  type ClassEvaluationOptions,
  type ClassMetrics,
  evaluateClasses,
} from '../evaluation/classes/evaluate_classes.js'
export {
  cheapestSetting,
  compareSamplers,
  type CompareOptions,
  type ReferenceMetrics,
  type SamplerMetrics,
  type SamplerSetting,
  worseMetrics,
} from '../evaluation/compare_samplers.js'
export {
  type EmojiEvaluation,
  type EmojiEvaluationOptions,
  evaluateEmoji,
} from '../experiments/emoji/evaluate_emoji.js'
export type { EmojiMetrics, EmojiOutput, EmojiOutputs } from '../experiments/emoji/emoji_metrics.js'

// How near an image is to its original.
export { psnr, ssim } from '../image/similarity.js'

// Metrics of images, from features.
export type {
  ClassifierOutput,
  ImageMetricInputs,
  ImageMetrics,
} from '../evaluation/image_metrics/image_metrics.js'
export type { Features } from '../evaluation/image_metrics/features.js'
export type { LabelledFeatures } from '../evaluation/image_metrics/diversity.js'
export type { KernelDistance } from '../evaluation/image_metrics/kid.js'
export type { PrecisionRecall } from '../evaluation/image_metrics/precision_recall.js'
export {
  diversity,
  frechetDistance,
  imageMetrics,
  kernelDistance,
  precisionRecall,
} from '../evaluation/image_metrics/statistics.js'
export type { StandardErrors } from '../evaluation/image_metrics/standard_errors.js'

// Captions: against those that people wrote.
export {
  captionMetrics,
  type CaptionMetrics,
  type JudgedCaption,
} from '../evaluation/captions/caption_metrics.js'
export { captionWords } from '../evaluation/captions/caption_words.js'
export {
  type CocoOptions,
  type DescribedImage,
  readCocoCaptions,
} from '../evaluation/captions/coco_captions.js'

// Pictures of coloured shapes, judged by their pixels.
export {
  evaluateShapes,
  type JudgedAnswer,
  type JudgedPrompt,
  type ShapesEvaluationOptions,
} from '../evaluation/shapes/evaluate_shapes.js'
export { findShapes, type FoundObject } from '../evaluation/shapes/find_shapes.js'
export { judgePicture } from '../evaluation/shapes/judge.js'
export { judgeEdit } from '../evaluation/shapes/judge_edit.js'
export type { Verdict } from '../evaluation/geneval/rules.js'

// GenEval: its prompts drawn, its pictures scored by detections.
export { drawGenEval, type GenEvalDrawing } from '../evaluation/geneval/draw.js'
export { type GenEvalPicture, scoreGenEval } from '../evaluation/geneval/score.js'

// Text: perplexity, and answers ranked by likelihood.
export type { Likelihood, LikelihoodOptions } from '../evaluation/text/likelihood.js'
export { type CaptionedImage, captionPerplexity } from '../evaluation/text/perplexity.js'
export {
  type TextDocument,
  type TextPerplexity,
  textPerplexity,
  type TextPerplexityOptions,
} from '../evaluation/text/text_perplexity.js'
export { rankOptions, type RankOptions } from '../evaluation/text/rank.js'
export { type Question, type Ranking, rankAccuracy, type RankMetrics } from '../evaluation/text/ranking.js'
