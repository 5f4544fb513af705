/** What the page's charts are drawn from: one entry of each list for each point. */
export interface ChartData {
  /** The last step, and the seconds of training by then, of what a point sums up. */
  steps: number[]
  seconds: number[]
  /** By the name of what is measured. */
  series: Record<string, Series>
  /** Gradient-norm spikes among a point's steps. */
  spikes: number[]
  /** Steps at which a session went on. */
  resumed: number[]
}

/** Means, and the lowest and highest value where a point sums up several records; null where nothing was measured. */
export interface Series {
  mean: (number | null)[]
  low?: (number | null)[]
  high?: (number | null)[]
}
