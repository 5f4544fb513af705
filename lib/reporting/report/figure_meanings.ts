/** What figures are called, and what they tell. Those of `eval.json` and of the demo's `figures.json` have these names. */
export const figureMeanings: Readonly<Record<string, { label: string; meaning: string }>> = {
  image_accuracy: {
    label: 'Images right',
    meaning: 'Share of the drawn images that the judge sees the asked class in. Higher is better.',
  },
  judge_accuracy: {
    label: 'Judge right',
    meaning:
      'Share of real, held-out images whose class the judge finds: what perfect drawings could be expected to reach.',
  },
  diversity: {
    label: 'Diversity',
    meaning:
      'How much drawn images of one class differ from each other: 1 as much as real ones, 0 not at all.',
  },
  frechet: {
    label: 'Fréchet distance',
    meaning:
      "Between drawn and real images in the judge's features. Lower is better; comparable only for one judge.",
  },
  frechet_class_means: {
    label: 'Fréchet distance of class means',
    meaning: 'For scale: of a model that always draws the mean image of a class.',
  },
  frechet_training: {
    label: 'Fréchet distance of training images',
    meaning: 'For scale: of real images, what perfect drawings would score.',
  },
  kid: {
    label: 'Kernel distance',
    meaning: 'Another distance between drawn and real images, without bias. Lower is better, 0 is perfect.',
  },
  kid_standard_error: { label: 'Kernel distance, standard error', meaning: 'Of the figure above.' },
  kid_class_means: {
    label: 'Kernel distance of class means',
    meaning: 'For scale: of a model that always draws the mean image of a class.',
  },
  kid_training: {
    label: 'Kernel distance of training images',
    meaning: 'For scale: of real images, around 0.',
  },
  caption_accuracy: {
    label: 'Captions right',
    meaning:
      'Share of the real images whose likeliest caption, word by word, is the right one. Higher is better.',
  },
  training_group_accuracy: {
    label: 'Learned pairs: groups right',
    meaning:
      'Share of the emoji, drawn for pairs of style and name that the model learned from, that the judge sees the asked group in (smileys, food ...).',
  },
  training_style_accuracy: {
    label: 'Learned pairs: styles right',
    meaning: 'The same for the style.',
  },
  held_out_group_accuracy: {
    label: 'Held-out pairs: groups right',
    meaning: 'Of emoji drawn for pairs whose name the model knows in the other style alone.',
  },
  held_out_style_accuracy: { label: 'Held-out pairs: styles right', meaning: 'The same for the style.' },
  judge_group_accuracy: {
    label: 'Judge: groups right',
    meaning:
      'Of the real pictures of the held-out pairs: what perfect drawings of these could be expected to reach.',
  },
  judge_style_accuracy: { label: 'Judge: styles right', meaning: 'The same for the style.' },
  training_found: {
    label: 'Learned pairs: found',
    meaning:
      'Share of the drawn emoji to which, of all real pictures of the style, that of the asked name is the nearest. Higher is better.',
  },
  held_out_found: {
    label: 'Held-out pairs: found',
    meaning: 'The same for held-out pairs, whose real pictures the model has not seen.',
  },
  other_style_found: {
    label: 'Other style: found',
    meaning: 'For scale: what copies of the pictures in the style that the model knows would score.',
  },
  training_farther: {
    label: 'Learned pairs: others farther',
    meaning:
      'Mean share of the real pictures of other names that are farther from the drawn emoji than that of the asked name. 1 is perfect, 0.5 chance.',
  },
  held_out_farther: { label: 'Held-out pairs: others farther', meaning: 'The same for held-out pairs.' },
  other_style_farther: {
    label: 'Other style: others farther',
    meaning: 'For scale: what copies of the pictures in the style that the model knows would score.',
  },
  held_out_restyled: {
    label: 'Held-out pairs: restyled',
    meaning:
      'Share of the emoji drawn for held-out pairs that are nearer to the real picture than to the one in the style that the model knows.',
  },
  training_caption_accuracy: {
    label: 'Learned pairs: captions right',
    meaning: 'Share of the real pictures whose likeliest caption, word by word, is right in style and name.',
  },
  held_out_caption_accuracy: {
    label: 'Held-out pairs: captions right',
    meaning: 'The same for pictures that the model has not seen.',
  },
  held_out_name_accuracy: {
    label: 'Held-out pairs: names written right',
    meaning: 'Share of these captions that have the right name, whatever style they tell.',
  },
  held_out_caption_style_accuracy: {
    label: 'Held-out pairs: styles written right',
    meaning: 'Share of these captions that tell the right style, whatever they name.',
  },
  perplexity: {
    label: 'Perplexity',
    meaning:
      'Among how many equally likely tokens the model is as unsure as it is about the next one. Lower is better, 1 is perfect; comparable for one tokenizer.',
  },
  bits_per_byte: {
    label: 'Bits per byte',
    meaning:
      'What a byte of text costs the model to predict. Lower is better; comparable between all models.',
  },
  rank_accuracy: {
    label: 'Ranked first',
    meaning: 'Share of the questions whose right option the model finds the likeliest. Higher is better.',
  },
  rank_accuracy_per_token: {
    label: 'Ranked first, per token',
    meaning:
      'The same where options are compared by the mean over their tokens, so that length does not count.',
  },
  train_steps: { label: 'Training steps', meaning: 'Batches that the model learned from.' },
  train_seconds: { label: 'Training time', meaning: 'In seconds, without drawing and saving.' },
  total_seconds: { label: 'Total time', meaning: 'In seconds, from the start to the last figure.' },
}
