// `npm run docs`: the API reference, from the comments of what lib/index.ts exports, into build/docs. What is public
// and has no comment is an error, and so is every warning of typedoc.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Application, Comment, CommentTag, Converter, ReflectionKind } from 'typedoc'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = join(here, '../..')

/** The sections of lib/index.ts, `// Heading: or no more text.` above exports, and what each exports. */
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

/** Puts each export into the category of its section, so that the reference is ordered as lib/index.ts is. */
function categorize(project, sections) {
  for (const child of project.children) {
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

const sections = sectionsOf(readFileSync(join(root, 'lib/index.ts'), 'utf8'))
const app = await Application.bootstrap({
  entryPoints: [join(root, 'lib/index.ts')],
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
  searchInComments: true,
  hideGenerator: true,
})
app.converter.on(Converter.EVENT_CREATE_DECLARATION, tellDefault)
app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => categorize(project, sections))
app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
  for (const category of project.categories ?? []) {
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
