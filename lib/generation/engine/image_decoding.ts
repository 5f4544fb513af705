import type { ImageCodec } from '../../image/codec.js'
import type { EncodedImage, ImageSize } from '../../image/image.js'
import { type Decode, decodeAll } from './decode_images.js'
import type { StepOutput } from './step_input.js'
import type { DenoisingRequest, ScheduledRequest } from './scheduled_request.js'

/**
 * Begins to decode images by the codecs of their requests, those of one codec together, and puts promises of them into the
 * outputs of their requests; `values` [N, values of an image], `size` of one in positions. The step does not wait for them: the
 * next one is on the device already, and that after it is enqueued behind the decoder, while nobody waits for either. Of a
 * request without a codec the values are its output. A codec that fails does so for its own requests.
 */
export function decodeImages(
  requests: readonly DenoisingRequest[],
  values: Float32Array,
  { height, width }: ImageSize,
  outputs: ReadonlyMap<ScheduledRequest, StepOutput>,
): void {
  const length = values.length / requests.length
  const byCodec = new Map<ImageCodec, Member[]>()
  for (const [i, request] of requests.entries()) {
    const { codec, settings } = request.generation.request
    const output = outputs.get(request)!
    const encoded = { height, width, values: values.subarray(i * length, (i + 1) * length) }
    if (!codec) {
      output.latent = { ...encoded, values: encoded.values.slice() }
      continue
    }
    const isLinear = request.input.preview && settings.previewDecoder === 'linear'
    if (isLinear && codec.preview) decodeInto([{ output, encoded }], codec.preview)
    else byCodec.set(codec, [...(byCodec.get(codec) ?? []), { output, encoded }])
  }
  for (const [codec, members] of byCodec) decodeInto(members, (values, sizes) => codec.decode(values, sizes))
}

/** An image, and the output that it is of. */
interface Member {
  readonly output: StepOutput
  readonly encoded: EncodedImage
}

function decodeInto(members: readonly Member[], decode: Decode): void {
  const images = decodeAll(
    members.map(({ encoded }) => encoded),
    decode,
  )
  members.forEach(({ output }, i) => {
    output.image = images.then((all) => all[i]!)
    // Nobody awaits it where the generation has failed meanwhile.
    output.image.catch(() => {})
  })
}
