/** A piece of HTML, as opposed to text that may hold anything. */
export class Html {
  constructor(readonly text: string) {}
}

type Value = Html | string | number | readonly Value[] | undefined

/** HTML whose values are escaped, unless they are HTML themselves; lists are joined, undefined is left out. */
export const html = (strings: TemplateStringsArray, ...values: Value[]): Html =>
  new Html(strings.reduce((text, string, i) => text + render(values[i - 1]) + string))

function render(value: Value): string {
  if (value === undefined) return ''
  if (value instanceof Html) return value.text
  if (typeof value === 'object') return value.map(render).join('')
  return escape(String(value))
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => entities[character]!)

/** JSON for a script element: nothing in it can end the element. */
export const scriptJson = (value: unknown): Html => new Html(JSON.stringify(value).replaceAll('<', '\\u003c'))
