import uPlot from 'uplot'
import { clockTime } from '../clock_time.js'
import type { ChartData } from '../report/chart_data.js'
import { appearance } from './appearance.js'
import { type Column, placeOfStep, positive, readable, smoothed, type View } from './points.js'

/** The places of a chart's columns. */
const Row = { x: 0, low: 1, high: 2, mean: 3, smooth: 4 } as const

/** One chart in its place on the page. */
export class Plot {
  readonly #place: HTMLElement
  readonly #readout: HTMLElement
  readonly #measure: string
  readonly #data: ChartData
  readonly #onRange: (range: [number, number] | undefined) => void
  #view: View
  #chart: uPlot

  constructor(
    place: HTMLElement,
    data: ChartData,
    view: View,
    onRange: (range: [number, number] | undefined) => void,
  ) {
    this.#place = place
    this.#readout = place.parentElement!.querySelector<HTMLElement>('.readout')!
    this.#measure = place.dataset['measure']!
    this.#data = data
    this.#onRange = onRange
    this.#view = view
    this.#chart = this.#make()
    new ResizeObserver(() => this.resize()).observe(place)
  }

  /** Shows another view: only its range may change without a new chart. */
  show(view: View): void {
    const { x, log, smoothing } = this.#view
    const same = x === view.x && log === view.log && smoothing === view.smoothing
    this.#view = view
    if (same) this.#chart.setScale('x', this.#extent())
    else {
      this.#chart.destroy()
      this.#chart = this.#make()
    }
  }

  resize(): void {
    const width = this.#place.clientWidth
    if (width > 0 && width !== this.#chart.width) this.#chart.setSize({ width, height: plotHeight })
  }

  /** For other colours. */
  redraw(): void {
    this.#chart.redraw(false, true)
  }

  #extent(): { min: number; max: number } {
    const all = this.#data[this.#view.x]
    const [min, max] = this.#view.range ?? [all[0]!, all.at(-1)!]
    return { min, max: max > min ? max : min + 1 }
  }

  #columns(): uPlot.AlignedData {
    const { mean, low, high } = this.#data.series[this.#measure]!
    const none: Column = mean.map(() => null)
    const { x } = this.#view
    const smoothing = this.#smoothing
    const columns = [low ?? none, high ?? none, mean, smoothing > 0 ? smoothed(mean, smoothing) : none]
    return [this.#data[x], ...(this.#log ? columns.map(positive) : columns)]
  }

  /** What is no measurement is not smoothed. */
  get #smoothing(): number {
    return this.#place.dataset['noisy'] === 'true' ? this.#view.smoothing : 0
  }

  /** Whether the chart's own axis is logarithmic: it is of use for some measures only. */
  get #log(): boolean {
    return this.#view.log && this.#place.dataset['log'] === 'true'
  }

  #make(): uPlot {
    const { x } = this.#view
    const smoothing = this.#smoothing
    const columns = this.#columns()
    const stepped = this.#measure.startsWith('skipped_')
    const axis = {
      stroke: () => appearance().muted,
      grid: { stroke: () => appearance().grid, width: 1 },
      ticks: { stroke: () => appearance().grid, width: 1, size: 5 },
      font: '12px system-ui, sans-serif',
    }
    // They are few, and between most points there is none.
    const ofSamples = this.#measure.startsWith('samples/')
    const points = (mean: Column) => ofSamples || mean.filter((value) => value !== null).length < 3
    const hidden = { stroke: 'transparent', width: 0, points: { show: false } }
    return new uPlot(
      {
        width: Math.max(this.#place.clientWidth, 100),
        height: plotHeight,
        legend: { show: false },
        cursor: {
          sync: { key: 'curves', setSeries: false },
          drag: { x: true, y: false, setScale: false },
          points: { show: (_plot, row) => (row === Row.mean ? cursorPoint() : undefined!) },
          y: false,
          bind: {
            dblclick: () => () => {
              this.#onRange(undefined)
              return null
            },
          },
        },
        scales: {
          x: { time: false, range: (_, min, max) => [min, max] },
          y: this.#log ? { distr: 3 } : { range: (_, min, max) => roomAround(min, max) },
        },
        axes: [
          {
            ...axis,
            values: (_, ticks) => ticks.map((tick) => (x === 'steps' ? readable(tick) : clockTime(tick))),
            space: 70,
            size: 30,
          },
          {
            ...axis,
            size: 62,
            values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : readable(tick))),
          },
        ],
        series: [
          {},
          { ...hidden, label: 'low' },
          { ...hidden, label: 'high' },
          {
            label: 'mean',
            stroke: () => (smoothing > 0 ? appearance().faint : appearance().line),
            width: smoothing > 0 ? 1 : 1.5,
            points: { show: points(columns[Row.mean] as Column) },
            spanGaps: ofSamples,
            ...(stepped && { paths: uPlot.paths.stepped!({ align: 1 }) }),
          },
          { label: 'smoothed', stroke: () => appearance().line, width: 2, points: { show: false } },
        ],
        bands: [{ series: [Row.high, Row.low], fill: () => appearance().band }],
        hooks: {
          ready: [(plot) => plot.setScale('x', this.#extent())],
          setSelect: [(plot) => this.#select(plot)],
          setCursor: [(plot) => this.#tell(plot)],
          draw: [(plot) => this.#mark(plot)],
        },
      },
      columns,
      this.#place,
    )
  }

  #select(plot: uPlot): void {
    const { left, width } = plot.select
    if (width < 4) return
    const range: [number, number] = [plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')]
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
    this.#onRange(range)
  }

  /** Writes what is under the cursor. */
  #tell(plot: uPlot): void {
    const { idx } = plot.cursor
    const value = typeof idx === 'number' ? plot.data[Row.mean]![idx] : undefined
    if (typeof idx !== 'number' || typeof value !== 'number') {
      this.#readout.textContent = ''
      return
    }
    const at = (row: number) => plot.data[row]![idx]
    const [low, high, smooth] = [at(Row.low), at(Row.high), at(Row.smooth)]
    const spikes = this.#measure === 'gradient_norm' ? this.#data.spikes[idx]! : 0
    this.#readout.textContent = [
      `step ${this.#data.steps[idx]!.toLocaleString('en')}`,
      clockTime(this.#data.seconds[idx]!),
      readable(value) +
        (typeof low === 'number' && typeof high === 'number' && high > low
          ? ` (${readable(low)} to ${readable(high)})`
          : ''),
      ...(typeof smooth === 'number' ? [`smoothed ${readable(smooth)}`] : []),
      ...(spikes > 0 ? [`${spikes} ${spikes === 1 ? 'spike' : 'spikes'}`] : []),
    ].join('  ·  ')
  }

  /** Marks where sessions went on, and spikes. */
  #mark(plot: uPlot): void {
    const { ctx, bbox } = plot
    const scale = devicePixelRatio
    ctx.save()
    ctx.beginPath()
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height)
    ctx.clip()
    ctx.strokeStyle = appearance().muted
    ctx.lineWidth = scale
    ctx.setLineDash([4 * scale, 4 * scale])
    for (const step of this.#data.resumed) {
      const x = plot.valToPos(placeOfStep(this.#data, step, this.#view.x), 'x', true)
      ctx.beginPath()
      ctx.moveTo(x, bbox.top)
      ctx.lineTo(x, bbox.top + bbox.height)
      ctx.stroke()
    }
    if (this.#measure === 'gradient_norm') {
      ctx.setLineDash([])
      ctx.strokeStyle = appearance().spike
      ctx.lineWidth = 1.5 * scale
      this.#data.spikes.forEach((count, i) => {
        const height = plot.data[Row.high]![i]
        if (count === 0 || typeof height !== 'number') return
        ctx.beginPath()
        ctx.arc(
          plot.valToPos(plot.data[Row.x][i]!, 'x', true),
          plot.valToPos(height, 'y', true),
          4 * scale,
          0,
          2 * Math.PI,
        )
        ctx.stroke()
      })
    }
    ctx.restore()
  }
}

const plotHeight = 210

/** A little room above and below; from zero where the values are not far from it. */
function roomAround(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null) return [0, 1]
  const room = (max - min || Math.abs(max) || 1) * 0.06
  return [min >= 0 && min < 0.3 * max ? 0 : min - room, max + room]
}

function cursorPoint(): HTMLElement {
  const point = document.createElement('div')
  point.className = 'cursor-point'
  return point
}
