/**
 * How weights are kept. f32: to be trained, with what that takes. The others are for inference, or for what is frozen:
 *
 * - bf16: half the memory; the model computes in bf16.
 * - int8: matrices in 8 bits and a scale for each row.
 * - int4: matrices in 4 bits, 32 values of a row having a scale and a minimum (llama.cpp's Q4_1).
 * - stored: as the files have them, a GGUF's blocks as they lie. Its types Q5_0, Q5_1 and Q5_K have no products here: they are
 *   widened to the type that the model computes in.
 *
 * Quantised are the matrices of the transformer, the embedding and the output; norms, biases and what reads and writes patches
 * are kept in the type that the model computes in, and so are matrices whose rows are not of whole blocks.
 */
export const weightKinds = ['f32', 'bf16', 'int8', 'int4', 'stored'] as const
/** See {@link weightKinds}. */
export type WeightKind = (typeof weightKinds)[number]
