/** What Git LFS leaves in place of a file that was not fetched: how it begins, and what to say of it. */
export const gitLfsPointer = {
  begin: 'version https://git-lfs.github.com/spec/',
  what: 'is a Git LFS pointer, not the file itself: fetch it with "git lfs pull"',
}

/** What files begin with, in hexadecimal (..: any byte), that are not what they are taken for, and what to do. */
const formats = [
  { magic: '28b52ffd', what: 'is compressed with zstd, which is not read: unpack it with "zstd -d FILE"' },
  { magic: 'fd377a585a00', what: 'is compressed with xz, which is not read: unpack it with "xz -dk FILE"' },
  {
    magic: '425a68..314159265359',
    what: 'is compressed with bzip2, which is not read: unpack it with "bzip2 -dk FILE"',
  },
  { magic: '04224d18', what: 'is compressed with LZ4, which is not read: unpack it with "lz4 -d FILE"' },
  { magic: '504b0304', what: 'is a zip archive, which is not read: unpack it with "unzip FILE"' },
  { magic: '377abcaf271c', what: 'is a 7z archive, which is not read: unpack it with "7z x FILE"' },
  { magic: '526172211a07', what: 'is a RAR archive, which is not read: unpack it with "unrar x FILE"' },
  {
    magic: '50415231',
    what: 'is a Parquet file, which is not read: convert it to JSON Lines, with "transfusion convert FILE --out data.jsonl"',
  },
  { magic: '4152524f5731', what: 'is an Arrow file, which is not read: convert it to JSON Lines' },
  { magic: 'ffffffff', what: 'looks like an Arrow stream, which is not read: convert it to JSON Lines' },
  { magic: '25504446', what: 'is a PDF, which is not read' },
  { magic: '89504e47', what: 'is an image: "type": "folder" reads folders of images and captions' },
  { magic: 'ffd8ff', what: 'is an image: "type": "folder" reads folders of images and captions' },
  { magic: Buffer.from(gitLfsPointer.begin).toString('hex'), what: gitLfsPointer.what },
].map(({ magic, what }) => ({ magic: magic.match(/../g)!.map((byte) => Number.parseInt(byte, 16)), what }))

/** What a file that begins with `bytes` is instead of what is read, and what to do about it; undefined: not known. */
export function otherFormat(bytes: Uint8Array): string | undefined {
  const matches = (byte: number, i: number) => Number.isNaN(byte) || bytes[i] === byte
  return formats.find(({ magic }) => magic.every(matches))?.what
}

/** Whether a file that begins with `bytes` is gzipped. */
export const isGzipped = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b
