#!/bin/sh
# sharp 0.35.5 (libvips 8.18): the same red, [234, 51, 35], in a PNG of 16 bits. Without a profile it is read as it is
# stored; with the profile of sRGB, which should change nothing, it is [216, 69, 49]: sharp converts pictures of 16 bits to
# Display P3 and gives these values out as sRGB. With 8 bits it does not.
# Seen: 8 bits, sRGB: 234 51 35 / 16 bits, no profile: 234 51 35 / 16 bits, sRGB: 216 69 49
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund sharp@0.35.5
cat >run.cjs <<'JS'
const sharp = require('sharp')
const { crc32, deflateSync } = require('node:zlib')
const chunk = (type, body) => {
  const named = Buffer.concat([Buffer.from(type), body])
  const framed = Buffer.alloc(named.length + 8)
  framed.writeUInt32BE(body.length)
  named.copy(framed, 4)
  framed.writeUInt32BE(crc32(named), named.length + 4)
  return framed
}
/** A PNG of one RGB pixel. */
const png = (depth, values, icc) =>
  Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, depth, 2, 0, 0, 0])),
    ...(icc ? [chunk('iCCP', Buffer.concat([Buffer.from('sRGB\0\0'), deflateSync(icc)]))] : []),
    chunk('IDAT', deflateSync(Buffer.from([0, ...(depth === 8 ? values : values.flatMap((v) => [v, v]))]))),
    chunk('IEND', Buffer.alloc(0)),
  ])
const read = async (file) => [...(await sharp(file).raw({ depth: 'uchar' }).toBuffer())].join(' ')
;(async () => {
  const tagged = await sharp(png(8, [1, 2, 3])).withIccProfile('srgb').png().toBuffer()
  const { icc } = await sharp(tagged).metadata()
  const red = [234, 51, 35]
  const seen = [
    `8 bits, sRGB: ${await read(png(8, red, icc))}`,
    `16 bits, no profile: ${await read(png(16, red))}`,
    `16 bits, sRGB: ${await read(png(16, red, icc))}`,
  ].join(' / ')
  console.log(seen)
  if (seen !== '8 bits, sRGB: 234 51 35 / 16 bits, no profile: 234 51 35 / 16 bits, sRGB: 216 69 49') process.exit(1)
})()
JS
node run.cjs
