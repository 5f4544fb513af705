// Describes pictures, whatever their size and format: node describe.mjs runs/demo/model shoe.png hat.jpg
import { Transfusion } from 'transfusion-js'

const [folder, ...paths] = process.argv.slice(2)
const model = await Transfusion.load(folder)
// Turned upright, cut, scaled and laid on a background as the model's folder says.
const images = await Promise.all(paths.map((path) => model.readImage(path)))
// All pictures are read together.
const texts = await model.completeTexts(images.map((image) => [image]))
for (const [i, text] of texts.entries()) console.log(`${paths[i]}: ${text.trim()}`)
