import { type ImageCodec, joinValues } from '../../image/codec.js'
import type { EncodedImage, ImageSize } from '../../image/image.js'
import type { StepOutput } from './step_input.js'
import { describe } from '../../describe.js'
import type { DenoisingRequest, ScheduledRequest } from './scheduled_request.js'

/**
 * Decodes images by the codecs of their requests, those of one codec together, and puts them into the outputs of their
 * requests; `values` [N, values of an image], `size` of one in positions. Of a request without a codec the values are its
 * output. A codec that fails does so for its own requests.
 */
export async function decodeImages(
  requests: readonly DenoisingRequest[],
  values: Float32Array,
  { height, width }: ImageSize,
  outputs: ReadonlyMap<ScheduledRequest, StepOutput>,
): Promise<void> {
  const length = values.length / requests.length
  const byCodec = new Map<ImageCodec, { output: StepOutput; encoded: EncodedImage }[]>()
  for (const [i, request] of requests.entries()) {
    const { codec } = request.generation.request
    const encoded = { height, width, values: values.subarray(i * length, (i + 1) * length) }
    if (!codec) {
      outputs.get(request)!.latent = { ...encoded, values: encoded.values.slice() }
      continue
    }
    byCodec.set(codec, [...(byCodec.get(codec) ?? []), { output: outputs.get(request)!, encoded }])
  }
  await Promise.all(
    [...byCodec].map(async ([codec, members]) => {
      const encoded = members.map((member) => member.encoded)
      try {
        const images = await codec.decode(joinValues(encoded), encoded)
        if (images?.length !== encoded.length)
          throw new RangeError(
            `codec.decode: must return as many images as sizes, ${encoded.length}, received ${describe(images)}`,
          )
        members.forEach(({ output }, i) => (output.image = images[i]!))
      } catch (error) {
        for (const { output } of members) output.failure = { error }
      }
    }),
  )
}
