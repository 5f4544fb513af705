// Attention on a document of text and an image, and of few queries on many keys.
import { describe } from 'vitest'
import { native } from '../../../lib/native.js'
import { fromArray, full, type Tensor } from '../../../lib/tensor/tensor.js'
import { type HostSpans, packedSpans } from '../../reference/attention.js'
import { type DType, random, testTraffic, zeros } from './traffic.js'

type Four<T> = [T, T, T, T]
const tensorsOf = ({ keyStart, keyEnd, queryRows, keyRows }: HostSpans) =>
  [keyStart, keyEnd, queryRows, keyRows].map((values) => fromArray(values))
const handlesOf = (spans: Tensor[]) => spans.map(({ handle }) => handle) as Four<number>

const document = packedSpans([[128, -256, 128]])
/** The last of 1024 positions of four sequences. */
const decoding: HostSpans = {
  queryRows: Int32Array.of(0, 1, 2, 3, 4),
  keyRows: Int32Array.of(0, 1024, 2048, 3072, 4096),
  keyStart: new Int32Array(4),
  keyEnd: new Int32Array(4).fill(1024),
}

const H = 2

function tensors(spans: HostSpans, D: number, d: DType) {
  const [T, K] = [spans.keyStart.length, spans.keyRows.at(-1)!]
  const [q, k, v] = [random([T, H, D], d, 1), random([K, H, D], d, 2), random([K, H, D], d, 3)]
  const y = zeros([T, H, D], d)
  return { T, q, k, v, y, yLo: zeros([T, H, D], d), lse: full([H, T], 0), spanTensors: tensorsOf(spans) }
}

const attend = ({ y, yLo, lse, q, k, v, spanTensors }: ReturnType<typeof tensors>, D: number) =>
  native.attention(
    y.handle,
    yLo.handle,
    lse.handle,
    q.handle,
    k.handle,
    v.handle,
    ...handlesOf(spanTensors),
    D ** -0.5,
  )

const forward = (spans: HostSpans, D: number) => ({
  kernel: 'attention',
  dtypes: ['bf16'] as const,
  prepare: (d: DType) => {
    const made = tensors(spans, D, d)
    return () => attend(made, D)
  },
})

const backward = (D: number) => ({
  kernel: 'attention_backward',
  // q, k, v and dy are read for dk and dv, and again for dq.
  memory: 1.63,
  dtypes: ['bf16'] as const,
  prepare: (d: DType) => {
    const made = tensors(document, D, d)
    // What is computed depends on the shares that keys have of rows.
    attend(made, D)
    const { T, y, yLo, lse, q, k, v, spanTensors } = made
    const [dq, dk, dv, dy] = [zeros, zeros, zeros, random].map((make) => make([T, H, D], d))
    return () =>
      native.attention_backward(
        dq!.handle,
        dk!.handle,
        dv!.handle,
        dy!.handle,
        y.handle,
        yLo.handle,
        lse.handle,
        q.handle,
        k.handle,
        v.handle,
        ...handlesOf(spanTensors),
        D ** -0.5,
      )
  },
})

/** Tiles are read again and again, by caches: as often as these sizes make it. */
const mostTiles = 4

describe('attention reads whole sectors without conflicts', () => {
  testTraffic(
    import.meta.url,
    {
      ...Object.fromEntries(
        [16, 32, 64, 96, 128].map((D) => [`attention of heads of ${D}`, forward(document, D)]),
      ),
      ...Object.fromEntries(
        [16, 32, 64, 96, 128].map((D) => [`attention_backward of heads of ${D}`, backward(D)]),
      ),
      'attention of one query': forward(decoding, 64),
    },
    { cached: mostTiles },
  )
})
