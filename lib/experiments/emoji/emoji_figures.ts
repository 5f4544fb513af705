/** What is asked of emoji that a model drew and described, beside what real ones would score. */
import { emojiCaption, type EmojiData, type EmojiPicture } from '../../datasets/emoji/emoji.js'
import type { Image } from '../../image/image.js'
import { EmojiGallery } from './emoji_gallery.js'
import type { EmojiJudges } from './emoji_judges.js'

/**
 * Figures of emoji, by the names that JSON files have. "Training" are as many pairs of style and name that the model
 * learned from as there are held-out ones. Distances are those of the group judge's features, and "found" among all real
 * pictures of a style, some 1,580.
 */
export interface EmojiFigures {
  /** Share of the emoji drawn for training pairs in which the judge of groups sees the asked one. */
  readonly training_group_accuracy: number
  /** The same for styles. */
  readonly training_style_accuracy: number
  /** Share of the emoji drawn for held-out pairs in which the judge of groups sees the asked one. */
  readonly held_out_group_accuracy: number
  /** The same for styles. */
  readonly held_out_style_accuracy: number
  /** Share of the held-out pairs' real pictures, new to the judge, whose group it finds: what perfect drawings would score. */
  readonly judge_group_accuracy: number
  /** The same for styles. */
  readonly judge_style_accuracy: number
  /** Share of the emoji drawn for training pairs to which no real picture of the style is as near as that of the asked name. */
  readonly training_found: number
  /** The same for held-out pairs. */
  readonly held_out_found: number
  /** The same for the held-out names' real pictures in the style that was trained: what copying these would score. */
  readonly other_style_found: number
  /** Mean share of the other names' real pictures in the style that are farther from the drawn emoji than the asked name's. */
  readonly training_farther: number
  /** The same for held-out pairs. */
  readonly held_out_farther: number
  /** The same for the held-out names' real pictures in the style that was trained. */
  readonly other_style_farther: number
  /** Share of the held-out pairs drawn nearer to the real picture than to the name's picture in the style that was trained. */
  readonly held_out_restyled: number
  /** Share of the training pairs' real pictures whose greedy caption is right to the letter. */
  readonly training_caption_accuracy: number
  /** The same for held-out pairs. */
  readonly held_out_caption_accuracy: number
  /** Share of the held-out pairs' real pictures whose greedy caption has the right name, whatever style it tells. */
  readonly held_out_name_accuracy: number
  /** The same for styles, whatever the caption names. */
  readonly held_out_caption_style_accuracy: number
}

/** What a model made of a pair. */
export interface EmojiAnswer {
  /** The real one. */
  readonly picture: EmojiPicture
  /** From the caption. */
  readonly drawn: Image
  /** The greedy caption of the real picture. */
  readonly written: string
}

/** What a model made of pairs of style and name. */
export interface EmojiAnswers {
  /** Pairs that it learned from, evenly spread. */
  readonly training: readonly EmojiAnswer[]
  /** All held-out pairs. */
  readonly heldOut: readonly EmojiAnswer[]
}

/** Computes the figures; the judges were trained on the training pictures. */
export async function emojiFigures(
  judges: EmojiJudges,
  data: EmojiData,
  parts: EmojiAnswers,
): Promise<EmojiFigures> {
  return { ...(await drawnFigures(judges, data, parts)), ...captionFigures(parts) }
}

async function drawnFigures(judges: EmojiJudges, data: EmojiData, parts: EmojiAnswers) {
  const real = [...data.training.pictures, ...data.heldOut.pictures]
  const gallery = new EmojiGallery(real, (await judges.judge(real.map(({ image }) => image))).features)
  const figuresOf = async (asked: readonly EmojiPicture[], images: readonly Image[]) => {
    const judged = await judges.judge(images)
    const { group, style } = judges.accuracies(judged, asked)
    return { ...gallery.find(judged.features, asked), group, style, features: judged.features }
  }
  const drawnOf = (part: readonly EmojiAnswer[]) =>
    figuresOf(
      part.map(({ picture }) => picture),
      part.map(({ drawn }) => drawn),
    )
  const unseen = parts.heldOut.map(({ picture }) => picture)
  const training = await drawnOf(parts.training)
  const heldOut = await drawnOf(parts.heldOut)
  const perfect = await figuresOf(
    unseen,
    unseen.map(({ image }) => image),
  )
  const copied = gallery.find(gallery.otherStyle(unseen), unseen)
  return {
    training_group_accuracy: training.group,
    training_style_accuracy: training.style,
    held_out_group_accuracy: heldOut.group,
    held_out_style_accuracy: heldOut.style,
    judge_group_accuracy: perfect.group,
    judge_style_accuracy: perfect.style,
    training_found: training.found,
    held_out_found: heldOut.found,
    other_style_found: copied.found,
    training_farther: training.farther,
    held_out_farther: heldOut.farther,
    other_style_farther: copied.farther,
    held_out_restyled: gallery.restyled(heldOut.features, unseen),
  }
}

function captionFigures({ training, heldOut }: EmojiAnswers) {
  const share = (part: readonly EmojiAnswer[], isRight: (answer: EmojiAnswer) => boolean) =>
    part.filter(isRight).length / part.length
  const isExact = ({ picture, written }: EmojiAnswer) => written === emojiCaption(picture)
  return {
    training_caption_accuracy: share(training, isExact),
    held_out_caption_accuracy: share(heldOut, isExact),
    held_out_name_accuracy: share(heldOut, ({ picture, written }) => written.endsWith(`, ${picture.name}`)),
    held_out_caption_style_accuracy: share(heldOut, ({ picture, written }) =>
      written.startsWith(`${picture.style}, `),
    ),
  }
}
