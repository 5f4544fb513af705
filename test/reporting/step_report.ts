import type { StepReport } from '../../lib/training/step_report.js'

/** The report of a step of half a second, which has text but no images to learn. */
export const stepReport = (step: number, more: Partial<StepReport> = {}): StepReport => ({
  step,
  progress: 0,
  terms: { lm: step },
  gradientNorm: 2 * step,
  applied: true,
  gradientSpike: false,
  learningRate: step / 10,
  counts: { positions: 100, targets: 10, images: 1 },
  flops: 1000,
  skippedSteps: 0,
  skippedDocuments: 0,
  seconds: step / 2,
  ...more,
})
