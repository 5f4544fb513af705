// The script of a run's page: scripts/build.mjs makes one file of it and what it imports.
import './page.css'
import type { ChartData } from '../report/chart_data.js'
import { darkScreen, paper } from './appearance.js'
import { startCurves } from './curves.js'
import { startSheets } from './sheets.js'

const plots = startCurves(JSON.parse(document.querySelector('#chart-data')!.textContent!) as ChartData)
startSheets()

const redrawAll = () => {
  for (const plot of plots) {
    plot.resize()
    plot.redraw()
  }
}
darkScreen.addEventListener('change', redrawAll)
const setPrinting = (now: boolean) => {
  paper.printing = now
  // Widths on paper are not those on the screen, and no event tells of them in time: page.css sets them by this class.
  document.documentElement.classList.toggle('printing', now)
  redrawAll()
}
addEventListener('beforeprint', () => setPrinting(true))
addEventListener('afterprint', () => setPrinting(false))
