/**
 * Shares a budget out: each has its least, whatever that comes to, and of what is left as much as it can use, those who
 * want little first.
 */
export function shareBudget(wishes: readonly { least: number; most: number }[], budget: number): number[] {
  const shares = wishes.map(({ least }) => least)
  let left = budget - shares.reduce((sum, share) => sum + share, 0)
  const order = wishes.map((_, i) => i).toSorted((a, b) => wishes[a]!.most - wishes[b]!.most)
  order.forEach((wish, i) => {
    const more = Math.floor(Math.max(0, left) / (order.length - i))
    const taken = Math.max(0, Math.min(more, wishes[wish]!.most - shares[wish]!))
    shares[wish]! += taken
    left -= taken
  })
  return shares
}
