// `npm run docs`: the API reference, from the comments of what the package's entries export, into build/docs. What is
// public and has no comment is an error, and so is every warning of typedoc.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Application, Comment, CommentTag, Converter, ReflectionKind } from 'typedoc'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = join(here, '../..')

/** Where the package's entries lie, as `exports` of package.json names them. */
const entryPoints = Object.values(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).exports)
  .filter((entry) => typeof entry === 'object')
  .map((entry) => join(root, entry.default.replace('./dist', 'lib').replace('.js', '.ts')))

/** The sections of an entry, `// Heading: or no more text.` above exports, and what each exports. */
function sectionsOf(text) {
  const parts = text.split(/^\/\/ (.*)\.$/m).slice(1)
  return Array.from({ length: parts.length / 2 }, (_, i) => {
    const [heading, description = ''] = parts[2 * i].split(/: (.*)/s)
    const names = [...parts[2 * i + 1].matchAll(/export[^{]*\{([^}]*)\}/g)].flatMap(([, list]) =>
      list.split(',').map((item) => item.trim().split(/\s+/).at(-1)),
    )
    return { heading, description, names: new Set(names) }
  })
}

/** Puts each export into the category of its section, so that the reference is ordered as the entries are. */
function categorize(project, sections) {
  for (const child of project.children.flatMap((entry) => entry.children)) {
    const section = sections.find(({ names }) => names.has(child.name))
    for (const owner of child.signatures ?? [child]) {
      owner.comment ??= new Comment()
      owner.comment.blockTags.push(
        new CommentTag('@category', [{ kind: 'text', text: section?.heading ?? 'Other' }]),
      )
    }
  }
}

/** Says of a key of a zod schema what stands for it where it is left out. */
function tellDefault(context, reflection) {
  const declaration = context.getSymbolFromReflection(reflection)?.declarations?.[0]
  const [, value] = /\.default\(([^()]*)\)$/.exec(declaration?.initializer?.getText() ?? '') ?? []
  if (value !== undefined) reflection.defaultValue = value
}

/** What should have a comment of its own and has none. Members of types without a name speak for themselves. */
function undocumented(project) {
  const kinds =
    ReflectionKind.TypeAlias |
    ReflectionKind.SomeValue |
    ReflectionKind.SomeMember |
    ReflectionKind.ClassOrInterface
  return project
    .getReflectionsByKind(kinds)
    .filter((one) => !isAnonymous(one) && !isDocumented(one) && !isForeign(one))
    .map((one) => `${one.getFullName()}, ${sourceOf(one)}`)
}

/** Types that @useDeclaredType has made refer to themselves. */
function unresolved(project) {
  return project
    .getReflectionsByKind(ReflectionKind.TypeAlias)
    .filter(({ type, name }) => type?.type === 'reference' && type.name === name)
    .map((one) => `${one.name}, ${sourceOf(one)}`)
}

const isAnonymous = (one) => Boolean(one.parent && (one.parent.name === '__type' || isAnonymous(one.parent)))
const isForeign = (one) => sourceOf(one).includes('node_modules')
const sourceOf = (one) => {
  const source = (one.sources ?? one.parent?.sources)?.[0]
  return source ? `${source.fileName}:${source.line}` : 'no source'
}
/** Functions and accessors have their comments at their signatures. */
const isDocumented = (one) =>
  [one, ...(one.signatures ?? []), one.getSignature, one.setSignature].some(
    (owner) =>
      owner?.comment !== undefined &&
      (owner.comment.summary.length > 0 || owner.comment.blockTags.some(({ tag }) => tag !== '@category')),
  )

const sections = entryPoints.flatMap((path) => sectionsOf(readFileSync(path, 'utf8')))
const app = await Application.bootstrap({
  entryPoints,
  tsconfig: join(root, 'tsconfig.json'),
  out: join(root, 'build/docs'),
  basePath: root,
  // To the files in lib, from build/docs: what a checkout's remote is called, or whether it has one, does not matter.
  disableGit: true,
  sourceLinkTemplate: '../../../lib/{path}#L{line}',
  name: 'transfusion-js',
  includeVersion: true,
  readme: join(here, 'welcome.md'),
  excludeInternal: true,
  excludePrivate: true,
  treatWarningsAsErrors: true,
  categorizeByGroup: false,
  categoryOrder: sections.map(({ heading }) => heading),
  navigation: { includeCategories: true, includeGroups: false, includeFolders: false },
  sort: ['kind', 'alphabetical'],
  sortEntryPoints: false,
  searchInComments: true,
  hideGenerator: true,
})
app.converter.on(Converter.EVENT_CREATE_DECLARATION, tellDefault)
/** Set where links begin to be resolved. */
let entries = []
app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
  entries = project.children
  categorize(project, sections)
})
// A link says a name alone, whichever entry exports it: no two entries export one name.
app.converter.addUnknownSymbolResolver(({ symbolReference }) => {
  const names = symbolReference?.path?.map(({ path }) => path) ?? []
  const target = entries.map((entry) => entry.getChildByName(names)).find((found) => found)
  return target && { target, caption: target.name }
})
app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
  for (const category of project.children.flatMap((entry) => entry.categories ?? [])) {
    const { description } = sections.find(({ heading }) => heading === category.title) ?? {}
    if (description) category.description = [{ kind: 'text', text: `${description}.` }]
  }
})

const project = await app.convert()
if (project) {
  app.validate(project)
  for (const line of undocumented(project)) app.logger.error(`no comment: ${line}`)
  for (const line of unresolved(project)) app.logger.error(`no declared type, make it an interface: ${line}`)
  await app.generateOutputs(project)
}
if (!project || app.logger.hasErrors() || app.logger.hasWarnings()) process.exitCode = 1
