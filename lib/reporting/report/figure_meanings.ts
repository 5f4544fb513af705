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
