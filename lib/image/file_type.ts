/** The type of a file by its bytes; undefined where it is not known. file-type is imported by the first call: most programs need none. */
export const fileTypeOf = async (bytes: Uint8Array) => (await import('file-type')).fileTypeFromBuffer(bytes)
