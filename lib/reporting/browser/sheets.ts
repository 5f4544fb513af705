import { paper } from './appearance.js'

const playedMilliseconds = 700

/** Makes the slider over the sheets of samples work: it and scrolling move each other. */
export function startSheets(): void {
  const list = document.querySelector<HTMLElement>('#sheets')
  if (!list) return
  const slider = document.querySelector<HTMLInputElement>('#sheet')!
  const button = document.querySelector<HTMLButtonElement>('#play')!
  const value = document.querySelector('#sheet-value')!
  const items = [...list.children] as HTMLElement[]
  document.querySelector<HTMLElement>('#sheet-controls')!.hidden = items.length < 2
  let playing: number | undefined

  const name = (index: number) => {
    value.textContent = `${index + 1} of ${items.length}, step ${Number(items[index]!.dataset['step']).toLocaleString('en')}`
  }
  const show = (index: number) => {
    slider.value = String(index)
    name(index)
    list.scrollTo({ left: items[index]!.offsetLeft - list.offsetLeft, behavior: 'instant' })
  }
  const stop = () => {
    clearInterval(playing)
    playing = undefined
    button.textContent = 'Play'
    button.setAttribute('aria-pressed', 'false')
  }

  slider.addEventListener('input', () => {
    stop()
    show(Number(slider.value))
  })
  list.addEventListener('scroll', () => {
    if (paper.printing) return
    const index = Math.round(list.scrollLeft / list.clientWidth)
    slider.value = String(index)
    name(index)
  })
  button.addEventListener('click', () => {
    if (playing !== undefined) return stop()
    button.textContent = 'Stop'
    button.setAttribute('aria-pressed', 'true')
    const next = (Number(slider.value) + 1) % items.length
    show(next)
    playing = window.setInterval(() => {
      const following = Number(slider.value) + 1
      if (following >= items.length) stop()
      else show(following)
    }, playedMilliseconds)
  })
  addEventListener('resize', () => show(Number(slider.value)))
  show(items.length - 1)
}
