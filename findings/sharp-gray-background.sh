#!/bin/sh
# sharp 0.35.5: a background of red means another colour on gray pictures. Behind a transparent pixel of a PNG of gray and
# alpha it is white (flatten takes the first channel of the colour alone); beside a gray picture that is fitted in it is 54
# (resize weighs gamma-encoded channels), where the luminance of red, as .toColourspace('b-w') gives it, is 127.
# Seen: flatten: 255 255 255 / contain: 54 54 54 / red to b-w: 127
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund sharp@0.35.5
cat >run.cjs <<'JS'
const sharp = require('sharp')
const background = { r: 255, g: 0, b: 0 }
const gray = (values, channels) =>
  sharp(Buffer.from(values), { raw: { width: 1, height: 1, channels } }).toColourspace('b-w').png().toBuffer()
const first = async (image) => [...(await image.raw().toBuffer()).subarray(0, 3)].join(' ')
;(async () => {
  const seen = [
    `flatten: ${await first(sharp(await gray([100, 0], 2)).flatten({ background }).toColourspace('srgb'))}`,
    `contain: ${await first(sharp(await gray([100], 1)).resize(1, 3, { fit: 'contain', background }).toColourspace('srgb'))}`,
    `red to b-w: ${await first(sharp(Buffer.from([255, 0, 0]), { raw: { width: 1, height: 1, channels: 3 } }).toColourspace('b-w'))}`,
  ].join(' / ')
  console.log(seen)
  if (seen !== 'flatten: 255 255 255 / contain: 54 54 54 / red to b-w: 127') process.exit(1)
})()
JS
node run.cjs
