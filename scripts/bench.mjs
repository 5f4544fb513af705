// `npm run bench -- NAME [options]`: set-up with the data set, build, then bench/NAME.mjs; without a name, lists what there
// is.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { buildNative, buildTypeScript } from './build.mjs'
import { Failure, main, root, run } from './run.mjs'
import { setUp } from './setup.mjs'

const folder = join(root, 'bench')
const pathOf = (name) => join(folder, `${name}.mjs`)

/** The first sentence of the comment that a bench begins with. */
function summaryOf(name) {
  const comment = /^(?:\/\/.*\n)+/.exec(readFileSync(pathOf(name), 'utf8'))[0].replaceAll(/^\/\/ ?/gm, '')
  return /^[^]*?[.:;](?=\s)/.exec(comment)[0].slice(0, -1).replaceAll('\n', ' ')
}

function list() {
  const names = readdirSync(folder)
    .filter((file) => file.endsWith('.mjs'))
    .map((file) => basename(file, '.mjs'))
  const width = Math.max(...names.map(({ length }) => length))
  console.log('npm run bench -- NAME [options], where NAME is one of')
  for (const name of names) console.log(`  ${name.padEnd(width)}  ${summaryOf(name)}`)
}

main(() => {
  const [name, ...options] = process.argv.slice(2)
  if (name === undefined) return list()
  if (!existsSync(pathOf(name)))
    throw new Failure('a-program-failed', `there is no bench of the name ${name}; npm run bench lists them`)
  setUp('demo')
  buildNative()
  buildTypeScript()
  run(process.execPath, [pathOf(name), ...options])
})
