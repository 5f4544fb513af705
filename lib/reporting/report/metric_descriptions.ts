/** A metric's name in words, and what it measures. */
export interface MetricDescription {
  label: string
  meaning: string
}

const bleu = (n: number): MetricDescription => ({
  label: `Captions: BLEU-${n}`,
  meaning: `Share of what was written that people's captions have, too, in runs of up to ${n} words. Higher is better, 1 is the same text.`,
})

/** The metrics of `eval.json` and of the demo's `final_metrics.json`, by their names there. */
export const metricDescriptions: Readonly<Record<string, MetricDescription>> = {
  image_accuracy: {
    label: 'Images recognised',
    meaning:
      'Share of the generated images that the classifier recognises as of their class. Higher is better.',
  },
  classifier_accuracy: {
    label: 'Real images recognised',
    meaning:
      'Share of real, held-out images whose class the classifier recognises: what a perfect model could be expected to reach.',
  },
  diversity: {
    label: 'Diversity',
    meaning:
      'How much generated images of one class differ from each other: 1 as much as real ones, 0 not at all.',
  },
  frechet: {
    label: 'Fréchet distance',
    meaning:
      "Between generated and real images in the classifier's features. Lower is better; comparable only for one classifier.",
  },
  frechet_class_means: {
    label: 'Fréchet distance of class means',
    meaning: 'For scale: of a model that always generates the mean image of a class.',
  },
  frechet_training: {
    label: 'Fréchet distance of training images',
    meaning: 'For scale: of real images, what a perfect model would score.',
  },
  kid: {
    label: 'Kernel distance',
    meaning:
      'Another distance between generated and real images, without bias. Lower is better, 0 is perfect.',
  },
  kid_standard_error: { label: 'Kernel distance, standard error', meaning: 'Of the metric above.' },
  kid_class_means: {
    label: 'Kernel distance of class means',
    meaning: 'For scale: of a model that always generates the mean image of a class.',
  },
  kid_training: {
    label: 'Kernel distance of training images',
    meaning: 'For scale: of real images, around 0.',
  },
  caption_accuracy: {
    label: 'Captions correct',
    meaning: 'Share of the real images whose greedy caption is the one of their class. Higher is better.',
  },
  training_group_accuracy: {
    label: 'Training pairs: groups recognised',
    meaning:
      'Share of the emoji, generated for pairs of style and name that the model was trained on, that the classifier recognises as of their group (smileys, food ...).',
  },
  training_style_accuracy: {
    label: 'Training pairs: styles recognised',
    meaning: 'The same for the style.',
  },
  held_out_group_accuracy: {
    label: 'Held-out pairs: groups recognised',
    meaning: 'Of emoji generated for pairs whose name the model knows in the other style alone.',
  },
  held_out_style_accuracy: { label: 'Held-out pairs: styles recognised', meaning: 'The same for the style.' },
  classifier_group_accuracy: {
    label: 'Real pictures: groups recognised',
    meaning: 'Of the real pictures of the held-out pairs: what a perfect model could be expected to reach.',
  },
  classifier_style_accuracy: {
    label: 'Real pictures: styles recognised',
    meaning: 'The same for the style.',
  },
  training_retrieval_at_1: {
    label: 'Training pairs: retrieval@1',
    meaning:
      'Share of the generated emoji to which, of all real pictures of the style, that of their own name is the nearest. Higher is better.',
  },
  held_out_retrieval_at_1: {
    label: 'Held-out pairs: retrieval@1',
    meaning: 'The same for held-out pairs, whose real pictures the model has not seen.',
  },
  other_style_retrieval_at_1: {
    label: 'Other style: retrieval@1',
    meaning: 'For scale: what copies of the pictures in the style that the model knows would score.',
  },
  training_retrieval_auc: {
    label: 'Training pairs: retrieval AUC',
    meaning:
      'Mean share of the real pictures of other names that are farther from the generated emoji than that of its own. 1 is perfect, 0.5 chance.',
  },
  held_out_retrieval_auc: { label: 'Held-out pairs: retrieval AUC', meaning: 'The same for held-out pairs.' },
  other_style_retrieval_auc: {
    label: 'Other style: retrieval AUC',
    meaning: 'For scale: what copies of the pictures in the style that the model knows would score.',
  },
  held_out_style_retrieval_at_1: {
    label: 'Held-out pairs: retrieval@1 of the style',
    meaning:
      'Share of the emoji generated for held-out pairs that are nearer to the real picture than to the one in the style that the model knows.',
  },
  training_caption_accuracy: {
    label: 'Training pairs: captions correct',
    meaning: 'Share of the real pictures whose greedy caption is correct in style and name.',
  },
  held_out_caption_accuracy: {
    label: 'Held-out pairs: captions correct',
    meaning: 'The same for pictures that the model has not seen.',
  },
  held_out_name_accuracy: {
    label: 'Held-out pairs: names correct',
    meaning: 'Share of these captions that have the right name, with either style.',
  },
  held_out_caption_style_accuracy: {
    label: 'Held-out pairs: styles correct',
    meaning: 'Share of these captions that have the right style, with any name.',
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
  rank_accuracy_per_character: {
    label: 'Ranked first, per character',
    meaning: 'The same by the mean over their characters: acc_norm of lm-evaluation-harness.',
  },
  rank_accuracy_per_byte: {
    label: 'Ranked first, per byte',
    meaning: 'The same by the mean over their bytes: acc_bytes of lm-evaluation-harness.',
  },
  rank_accuracy_by_information: {
    label: 'Ranked first, by what the question adds',
    meaning:
      'The same by how much likelier the question makes an option: acc_mutual_info of lm-evaluation-harness.',
  },
  cider_d: {
    label: 'Captions: CIDEr-D',
    meaning:
      "How near captions are to people's, rare words counting more; 0 to 10, in papers times 100. Higher is better.",
  },
  bleu_1: bleu(1),
  bleu_2: bleu(2),
  bleu_3: bleu(3),
  bleu_4: bleu(4),
  rouge_l: {
    label: 'Captions: ROUGE-L',
    meaning: "How much of people's captions comes in the same order. Higher is better, 1 is the same text.",
  },
  psnr: {
    label: 'Reconstructions: PSNR',
    meaning: "Of the autoencoder's reconstructions of held-out pictures, mean in dB. Higher is better.",
  },
  ssim: {
    label: 'Reconstructions: SSIM',
    meaning: 'Structural similarity to the originals, mean. Higher is better, 1 is the same.',
  },
  lpips: {
    label: 'Reconstructions: LPIPS',
    meaning: 'How different they look from the originals by features of VGG16, mean. Lower is better.',
  },
  rfid: {
    label: 'Reconstructions: Fréchet distance',
    meaning:
      "Between reconstructions and their originals in the classifier's features. Lower is better; comparable only for one classifier.",
  },
  rfid_training: {
    label: 'Fréchet distance of training pictures',
    meaning: 'For scale: between these originals and as many pictures that were trained on.',
  },
  preview_psnr: {
    label: 'Previews: PSNR',
    meaning: 'Of the linear preview of latents against what the decoder makes of them, mean in dB.',
  },
  codes_used: { label: 'Codes used', meaning: "Different codes of the VQ-VAE's in the held-out pictures." },
  code_perplexity: {
    label: 'Perplexity of codes',
    meaning: 'How many codes there would be, were all used alike.',
  },
  autoencoder_steps: {
    label: 'Training steps of the autoencoder',
    meaning: 'Batches that it was trained on.',
  },
  autoencoder_seconds: {
    label: 'Training time of the autoencoder',
    meaning: 'In seconds, without samples and saving.',
  },
  train_steps: { label: 'Training steps', meaning: 'Batches that the model was trained on.' },
  train_seconds: { label: 'Training time', meaning: 'In seconds, without samples and saving.' },
  total_seconds: { label: 'Total time', meaning: 'In seconds, from the start to the last metric.' },
}

/** Names in files of earlier versions, and today's. */
const earlierNames: Readonly<Record<string, string>> = {
  judge_accuracy: 'classifier_accuracy',
  judge_group_accuracy: 'classifier_group_accuracy',
  judge_style_accuracy: 'classifier_style_accuracy',
  training_found: 'training_retrieval_at_1',
  held_out_found: 'held_out_retrieval_at_1',
  other_style_found: 'other_style_retrieval_at_1',
  training_farther: 'training_retrieval_auc',
  held_out_farther: 'held_out_retrieval_auc',
  other_style_farther: 'other_style_retrieval_auc',
  held_out_restyled: 'held_out_style_retrieval_at_1',
}

/** The description of a metric by its name, also of earlier versions; the name itself for others. */
export const describeMetric = (name: string): MetricDescription =>
  metricDescriptions[earlierNames[name] ?? name] ?? { label: name, meaning: '' }
