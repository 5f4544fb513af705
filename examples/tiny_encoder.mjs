// Writes a frozen encoder as ONNX, of the kind that fashion-mnist-rae.json reads: two convolutions with random weights and a
// ReLU between them, gray images [N, 1, H, W] to features [N, 16, H / 4, W / 4]. It shows the form, not a good encoder: a
// real one is exported from a pretrained network.
//   node examples/tiny_encoder.mjs examples/tiny_encoder.onnx
import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

// ONNX is protobuf (github.com/onnx/onnx, onnx.proto): fields are numbered, each a varint or bytes of a known length.
const varint = (value) => {
  const bytes = []
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) + 128)
  return Buffer.from([...bytes, value])
}
const number = (field, value) => Buffer.concat([varint(field * 8), varint(value)])
const bytes = (field, ...parts) => {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)))
  return Buffer.concat([varint(field * 8 + 2), varint(content.length), content])
}

const float = 1
const tensor = (name, dims, values) =>
  bytes(
    5,
    ...dims.map((size) => number(1, size)),
    number(2, float),
    bytes(8, name),
    bytes(9, new Uint8Array(Float32Array.from(values).buffer)),
  )
const integers = (name, values) =>
  bytes(5, bytes(1, name), ...values.map((value) => number(8, value)), number(20, 7))
const node = (type, inputs, output, attributes = []) =>
  bytes(1, ...inputs.map((name) => bytes(1, name)), bytes(2, output), bytes(4, type), ...attributes)
/** A size is a number, or the name of one that is open. */
const value = (field, name, sizes) => {
  const dims = sizes.map((size) => bytes(1, typeof size === 'string' ? bytes(2, size) : number(1, size)))
  return bytes(field, bytes(1, name), bytes(2, bytes(1, number(1, float), bytes(2, ...dims))))
}

/** Values of -1..1, the same each time. */
function* random(count, state) {
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    yield state / 2 ** 31 - 1
  }
}

/** The bytes of an encoder of images of so many channels; `features`: those of a position. */
export function tinyEncoder({ channels = 1, features = 16 } = {}) {
  const middle = 16
  const halving = [integers('kernel_shape', [2, 2]), integers('strides', [2, 2])]
  const graph = bytes(
    7,
    node('Conv', ['images', 'first'], 'h', halving),
    node('Relu', ['h'], 'r'),
    node('Conv', ['r', 'second'], 'features', halving),
    bytes(2, 'tiny encoder'),
    tensor('first', [middle, channels, 2, 2], random(middle * channels * 4, 1)),
    tensor('second', [features, middle, 2, 2], random(features * middle * 4, 2)),
    value(11, 'images', ['N', channels, 'H', 'W']),
    value(12, 'features', ['N', features, 'h', 'w']),
  )
  return Buffer.concat([number(1, 8), graph, bytes(8, bytes(1, ''), number(2, 13))])
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  writeFileSync(process.argv[2] ?? 'tiny_encoder.onnx', tinyEncoder())
