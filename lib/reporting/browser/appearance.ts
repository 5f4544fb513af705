/** The colours of the charts: those of the page, on paper those of the light page. */
interface Appearance {
  ink: string
  muted: string
  grid: string
  line: string
  faint: string
  band: string
  spike: string
}

const light: Appearance = {
  ink: '#1d2330',
  muted: '#5b6475',
  grid: '#e4e7ee',
  line: '#1f5fbf',
  faint: '#1f5fbf55',
  band: '#1f5fbf26',
  spike: '#c22727',
}

const dark: Appearance = {
  ink: '#e6e9f0',
  muted: '#a3adbf',
  grid: '#2b3242',
  line: '#7db1ff',
  faint: '#7db1ff55',
  band: '#7db1ff2e',
  spike: '#ff8080',
}

export const darkScreen = matchMedia('(prefers-color-scheme: dark)')
/** Whether the page is on its way to paper. */
export const paper = { printing: false }

export const appearance = (): Appearance => (darkScreen.matches && !paper.printing ? dark : light)
