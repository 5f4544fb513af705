import * as main from '../lib/index.js'
import * as data from '../lib/entry/data.js'
import * as evaluation from '../lib/entry/evaluation.js'
import * as nn from '../lib/entry/nn.js'
import * as tensor from '../lib/entry/tensor.js'

/** The package's entries as `exports` of package.json names them, and their sources. */
export const entryFiles = {
  '.': 'lib/index.ts',
  './tensor': 'lib/entry/tensor.ts',
  './nn': 'lib/entry/nn.ts',
  './data': 'lib/entry/data.ts',
  './evaluation': 'lib/entry/evaluation.ts',
} as const

/** Every value that the package exports, by the name that users write. */
export const library = { ...main, ...tensor, ...nn, ...data, ...evaluation }
