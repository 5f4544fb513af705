/** Metrics of emoji that a model generated and described, beside what real ones would score. */
import { emojiCaption, type EmojiData, type EmojiPicture } from '../../datasets/emoji/emoji.js'
import type { Image } from '../../image/image.js'
import { EmojiRetrieval } from './emoji_retrieval.js'
import type { EmojiClassifiers } from './emoji_classifiers.js'

/**
 * Metrics of emoji, by the names that JSON files have. "Training" are as many pairs of style and name that the model was
 * trained on as there are held-out ones. An image retrieves the nearest of all real pictures of its style, some 1,580, by
 * the distance of the group classifier's features; its target is the picture of its own name.
 */
export interface EmojiMetrics {
  /** Share of the emoji generated for training pairs that the classifier of groups recognises as of their group. */
  readonly training_group_accuracy: number
  /** The same for styles. */
  readonly training_style_accuracy: number
  /** Share of the emoji generated for held-out pairs that the classifier of groups recognises as of their group. */
  readonly held_out_group_accuracy: number
  /** The same for styles. */
  readonly held_out_style_accuracy: number
  /** Share of the held-out pairs' real pictures whose group the classifier recognises: what a perfect model would score. */
  readonly classifier_group_accuracy: number
  /** The same for styles. */
  readonly classifier_style_accuracy: number
  /** Share of the emoji generated for training pairs that retrieve their target at rank 1: no other picture is as near. */
  readonly training_retrieval_at_1: number
  /** The same for held-out pairs. */
  readonly held_out_retrieval_at_1: number
  /** The same for the held-out names' real pictures in the style that was trained on: what copies of these would score. */
  readonly other_style_retrieval_at_1: number
  /** Mean share of the other pictures that are farther from the generated emoji than its target: see retrieval.ts. */
  readonly training_retrieval_auc: number
  /** The same for held-out pairs. */
  readonly held_out_retrieval_auc: number
  /** The same for the held-out names' real pictures in the style that was trained on. */
  readonly other_style_retrieval_auc: number
  /** Share of the emoji generated for held-out pairs that are nearer to their target than to its name in the other style. */
  readonly held_out_style_retrieval_at_1: number
  /** Share of the training pairs' real pictures whose greedy caption equals the pair's. */
  readonly training_caption_accuracy: number
  /** The same for held-out pairs. */
  readonly held_out_caption_accuracy: number
  /** Share of the held-out pairs' real pictures whose greedy caption has the pair's name, with either style. */
  readonly held_out_name_accuracy: number
  /** The same for styles, with any name. */
  readonly held_out_caption_style_accuracy: number
}

/** What a model gave for a pair of style and name. */
export interface EmojiOutput {
  /** The real one. */
  readonly picture: EmojiPicture
  /** From the caption. */
  readonly generated: Image
  /** The greedy caption of the real picture. */
  readonly written: string
}

/** What a model gave for pairs of style and name. */
export interface EmojiOutputs {
  /** Of pairs that it was trained on, evenly spread. */
  readonly training: readonly EmojiOutput[]
  /** Of all held-out pairs. */
  readonly heldOut: readonly EmojiOutput[]
}

/** Computes the metrics; the classifiers were trained on the training pictures. */
export async function emojiMetrics(
  classifiers: EmojiClassifiers,
  data: EmojiData,
  parts: EmojiOutputs,
): Promise<EmojiMetrics> {
  return { ...(await generatedMetrics(classifiers, data, parts)), ...captionMetrics(parts) }
}

async function generatedMetrics(classifiers: EmojiClassifiers, data: EmojiData, parts: EmojiOutputs) {
  const real = [...data.training.pictures, ...data.heldOut.pictures]
  const retrieval = new EmojiRetrieval(
    real,
    (await classifiers.classify(real.map(({ image }) => image))).features,
  )
  const metricsOf = async (targets: readonly EmojiPicture[], images: readonly Image[]) => {
    const output = await classifiers.classify(images)
    const { group, style } = classifiers.accuracies(output, targets)
    return { ...retrieval.retrieve(output.features, targets), group, style, features: output.features }
  }
  const generatedOf = (part: readonly EmojiOutput[]) =>
    metricsOf(
      part.map(({ picture }) => picture),
      part.map(({ generated }) => generated),
    )
  const unseen = parts.heldOut.map(({ picture }) => picture)
  const training = await generatedOf(parts.training)
  const heldOut = await generatedOf(parts.heldOut)
  const perfect = await metricsOf(
    unseen,
    unseen.map(({ image }) => image),
  )
  const copied = retrieval.retrieve(retrieval.otherStyle(unseen), unseen)
  return {
    training_group_accuracy: training.group,
    training_style_accuracy: training.style,
    held_out_group_accuracy: heldOut.group,
    held_out_style_accuracy: heldOut.style,
    classifier_group_accuracy: perfect.group,
    classifier_style_accuracy: perfect.style,
    training_retrieval_at_1: training.at1,
    held_out_retrieval_at_1: heldOut.at1,
    other_style_retrieval_at_1: copied.at1,
    training_retrieval_auc: training.auc,
    held_out_retrieval_auc: heldOut.auc,
    other_style_retrieval_auc: copied.auc,
    held_out_style_retrieval_at_1: retrieval.styleRetrievalAt1(heldOut.features, unseen),
  }
}

function captionMetrics({ training, heldOut }: EmojiOutputs) {
  const share = (part: readonly EmojiOutput[], matches: (output: EmojiOutput) => boolean) =>
    part.filter(matches).length / part.length
  const isExact = ({ picture, written }: EmojiOutput) => written === emojiCaption(picture)
  return {
    training_caption_accuracy: share(training, isExact),
    held_out_caption_accuracy: share(heldOut, isExact),
    held_out_name_accuracy: share(heldOut, ({ picture, written }) => written.endsWith(`, ${picture.name}`)),
    held_out_caption_style_accuracy: share(heldOut, ({ picture, written }) =>
      written.startsWith(`${picture.style}, `),
    ),
  }
}
