import { clockTime } from '../clock_time.js'
import type { ChartData } from '../report/chart_data.js'
import { Plot } from './plot.js'
import { type View } from './points.js'

/** Draws the charts and makes the controls above them work. */
export function startCurves(data: ChartData): Plot[] {
  const form = document.querySelector<HTMLFormElement>('#controls')
  if (!form) return []
  form.hidden = false
  document.querySelector<HTMLElement>('#curves-hint')!.hidden = false
  const control = (name: string) => form.elements.namedItem(name) as HTMLInputElement
  const output = (name: string, text: string) =>
    (document.querySelector(`#${name}-value`)!.textContent = text)
  // A browser may bring back what was set before the page was loaded anew.
  form.reset()

  let range: View['range']
  const view = (): View => ({
    x: control('x').value as View['x'],
    log: control('scale').value === 'log',
    smoothing: Number(control('smoothing').value),
    range,
  })
  const ends = (): [number, number] => {
    const all = data[view().x]
    return [all[0]!, all.at(-1)!]
  }
  const plots = [...document.querySelectorAll<HTMLElement>('.plot')].map(
    (place) => new Plot(place, data, view(), setRange),
  )

  function setRange(next: View['range']): void {
    const [first, last] = ends()
    range = next && [Math.max(first, next[0]), Math.min(last, next[1])]
    const permille = (value: number) => String(Math.round((1000 * (value - first)) / (last - first || 1)))
    control('from').value = range ? permille(range[0]) : '0'
    control('to').value = range ? permille(range[1]) : '1000'
    update()
  }

  /** The range that the two sliders name; they do not pass each other. */
  function rangeOfSliders(moved: HTMLInputElement): View['range'] {
    const [from, to] = [control('from'), control('to')]
    const least = 5
    if (Number(to.value) - Number(from.value) < least) {
      if (moved === from) from.value = String(Number(to.value) - least)
      else to.value = String(Number(from.value) + least)
    }
    const [first, last] = ends()
    const place = (slider: HTMLInputElement) => first + ((last - first) * Number(slider.value)) / 1000
    return from.value === '0' && to.value === '1000' ? undefined : [place(from), place(to)]
  }

  function update(): void {
    const shown = view()
    for (const plot of plots) plot.show(shown)
    const [first, last] = range ?? ends()
    const name = (x: number) => (shown.x === 'steps' ? Math.round(x).toLocaleString('en') : clockTime(x))
    output('smoothing', String(shown.smoothing))
    output('from', name(first))
    output('to', name(last))
  }

  form.addEventListener('input', ({ target }) => {
    const moved = target as HTMLInputElement
    if (moved.name === 'x') return setRange(undefined)
    if (moved.name === 'from' || moved.name === 'to') range = rangeOfSliders(moved)
    update()
  })
  document.querySelector('#whole')!.addEventListener('click', () => setRange(undefined))
  update()
  return plots
}
