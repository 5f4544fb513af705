import { markdownTable } from '../comparisons/comparison_table.js'
import type { AutoencoderResult } from './emoji_autoencoder.js'

type Metrics = Readonly<Record<string, number>>

const percent = (share: number): string => `${(100 * share).toFixed(0)}%`

/** What pairs that a model learned, and unseen ones, come to. */
const both = (name: string) => (metrics: Metrics) =>
  ['training', 'held_out'].map((part) => percent(metrics[`${part}_${name}`]!)).join(', ')

const modelColumns = [
  ['autoencoder, s', ({ autoencoder_seconds }) => autoencoder_seconds?.toFixed(0) ?? ''],
  ['model, s', ({ train_seconds }) => train_seconds!.toFixed(0)],
  ['steps', ({ train_steps }) => train_steps!.toLocaleString('en')],
  ['style', both('style_accuracy')],
  ['group', both('group_accuracy')],
  ['retrieval AUC', both('retrieval_auc')],
  ['caption', both('caption_accuracy')],
] as const satisfies [name: string, value: (metrics: Metrics) => string][]

const autoencoderColumns = [
  ['seconds', ({ train_seconds }) => train_seconds.toFixed(0)],
  ['steps', ({ train_steps }) => train_steps.toLocaleString('en')],
  ['PSNR, dB', ({ psnr }) => psnr.toFixed(2)],
  ['SSIM', ({ ssim }) => ssim?.toFixed(3) ?? ''],
  ['LPIPS', ({ lpips }) => lpips?.toFixed(3) ?? ''],
  ['rFID', ({ rfid }) => rfid.toFixed(2)],
  ['preview, dB', ({ preview_psnr }) => preview_psnr.toFixed(2)],
  ['codes used', ({ codes_used }) => codes_used?.toLocaleString('en') ?? ''],
  ['perplexity', ({ code_perplexity }) => code_perplexity?.toFixed(0) ?? ''],
] as const satisfies [name: string, value: (result: AutoencoderResult) => string][]

/** Both comparisons as Markdown. */
export function latentsTable({
  pixels,
  latents,
  kl,
  vq,
}: {
  pixels: Metrics
  latents: Metrics
  kl: AutoencoderResult
  vq: AutoencoderResult
}): string {
  const tableOf = <Row>(
    columns: readonly (readonly [string, (row: Row) => string])[],
    rows: readonly (readonly [string, Row])[],
  ) =>
    markdownTable(
      ['', ...columns.map(([name]) => name)],
      rows.map(([name, row]) => [name, ...columns.map(([, value]) => value(row))]),
    )
  return [
    '# Latents against pixels in equal time, the autoencoder counted',
    '',
    'Of emoji generated for learned pairs of style and name, and for unseen ones; captions of real ones.',
    '',
    ...tableOf(modelColumns, [
      ['pixels', pixels],
      ['latents', latents],
    ]),
    '',
    '# A KL autoencoder and a VQ-VAE',
    '',
    'Of emoji that they were not trained on. rFID is the Fréchet distance between reconstructions and originals in the features ' +
      `of the classifier of groups; between these originals and others it is ${kl.rfid_training.toFixed(2)}.`,
    '',
    ...tableOf(autoencoderColumns, [
      ['KL', kl],
      ['VQ', vq],
    ]),
    '',
  ].join('\n')
}
