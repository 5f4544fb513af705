/** Positions of its prompt that a generation is to read in a step. */
export interface PrefillDemand {
  /** It reads at least so many, even beyond the budget. */
  readonly least: number
  /** It can use no more than these. */
  readonly most: number
}

/**
 * Divides a step's budget of prompt positions among the generations that read their prompts; returns the share of each.
 * All get their least; what is left is divided evenly, and what one cannot use goes to the others.
 */
export function sharePrefillBudget(demands: readonly PrefillDemand[], budget: number): number[] {
  const shares = demands.map(({ least }) => least)
  let left = budget - shares.reduce((sum, share) => sum + share, 0)
  // The smallest demands first: what these leave is known when the larger ones are served.
  const order = demands.map((_, i) => i).toSorted((a, b) => demands[a]!.most - demands[b]!.most)
  order.forEach((demand, i) => {
    const more = Math.floor(Math.max(0, left) / (order.length - i))
    const taken = Math.max(0, Math.min(more, demands[demand]!.most - shares[demand]!))
    shares[demand]! += taken
    left -= taken
  })
  return shares
}
