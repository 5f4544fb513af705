// A loader's hooks: schemas of compiled modules take the docstrings above them as their descriptions, so that each setting
// is explained in one place. A docstring stands above a key of an object, an item of a list, or a constant.
import { parseAst } from 'vite'

export async function load(url, context, next) {
  const module = await next(url, context)
  const source = String(module.source)
  if (!source.includes("from 'zod'")) return module
  return { ...module, source: describe(source) }
}

const helper = '\nfunction $described(value, text) { return value?._zod ? value.describe(text) : value }\n'

/** The source with each value that a docstring stands above, wrapped in what describes schemas. */
export function describe(source) {
  const pieces = []
  for (const { start, value, shorthand } of valuesIn(parseAst(source))) {
    const text = docstringBefore(source, start)
    if (text === undefined) continue
    const name = shorthand ? `${source.slice(value.start, value.end)}: ` : ''
    // Values come before those inside them: at one place these open later and close earlier.
    pieces.push({ at: value.start, order: pieces.length, text: `${name}$described(` })
    pieces.push({ at: value.end, order: -pieces.length, text: `, ${JSON.stringify(text)})` })
  }
  let described = ''
  let end = 0
  for (const { at, text } of pieces.toSorted((a, b) => a.at - b.at || a.order - b.order)) {
    described += source.slice(end, at) + text
    end = at
  }
  return described + source.slice(end) + helper
}

/** What may have a docstring: where that would end, and the value that it is of. */
function* valuesIn(node) {
  if (Array.isArray(node)) for (const item of node) yield* valuesIn(item)
  if (typeof node?.type !== 'string') return
  if (node.type === 'Property') yield { start: node.start, value: node.value, shorthand: node.shorthand }
  if (node.type === 'ArrayExpression')
    for (const item of node.elements)
      if (item && item.type !== 'SpreadElement') yield { start: item.start, value: item }
  if (node.type === 'VariableDeclaration' && node.declarations[0].init)
    yield { start: node.start, value: node.declarations[0].init }
  if (node.type === 'ExportNamedDeclaration' && node.declaration?.type === 'VariableDeclaration')
    yield { start: node.start, value: node.declaration.declarations[0].init }
  for (const child of Object.values(node))
    if (typeof child === 'object' && child !== null) yield* valuesIn(child)
}

/** The text of the docstring that ends before a place, tags and line breaks left out; undefined where there is none. */
function docstringBefore(source, start) {
  const [, text] = /\/\*\*((?:(?!\*\/)[^])*)\*\/\s*$/.exec(source.slice(0, start)) ?? []
  return text
    ?.replace(/^\s*\* ?/gm, '')
    .replace(/@\w+\s*$/, '')
    .replace(/\s+/g, ' ')
    .trim()
}
