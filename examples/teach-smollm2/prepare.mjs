// Writes conversations over Fashion-MNIST, as SmolLM2's chat template has them, one document on each line of chat.jsonl: in every
// other the user asks for a picture and the answer is one; in the rest the user shows one and the answer says what it is.
// node examples/teach-smollm2/prepare.mjs [documents]
import { createWriteStream } from 'node:fs'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { encodePng, findFashionMnist, openMnist, Transfusion } from 'transfusion-js'

const folder = fileURLToPath(new URL('.', import.meta.url))
const documents = Number(process.argv[2] ?? 20_000)
const asked = (name) => [
  `Draw ${name}.`,
  `Please draw ${name}.`,
  `Can you draw ${name} for me?`,
  `A picture of ${name}, please.`,
]
const questions = [
  'What is this?',
  'What do you see in this picture?',
  'Describe this picture.',
  'What does this picture show?',
]

// Of the model only the chat template is used: the sizes of images are those of the config, and do not matter here.
const image = { channels: 1, patch: 7, height: 28, width: 28 }
const model = await Transfusion.fromPretrained(`${folder}SmolLM2-135M-Instruct.Q4_1.gguf`, { image })
const promptOf = (content) => model.chatTemplate.render([{ role: 'user', content }])
const place = '[picture]'

const pictures = await openMnist(await findFashionMnist(), 'train', ['{a label}'])
const file = createWriteStream(`${folder}chat.jsonl`)
for (let i = 0; i < documents; i++) {
  const index = i % pictures.length
  const [{ text: name }] = pictures.get(index).parts
  const png = await encodePng(pictures.image(index))
  const picture = { image: `data:image/png;base64,${png.toString('base64')}` }
  // Other words at each pair of documents.
  const words = (list) => list[(i >> 1) % list.length]
  const [before, after] = promptOf(`${place}\n${words(questions)}`).split(place)
  const parts =
    i % 2 === 0
      ? [promptOf(words(asked(name))), picture, `Here is ${name}.`]
      : [before, picture, `${after}This is ${name}.`]
  // A document ends with the token that ends an answer.
  if (!file.write(`${JSON.stringify({ parts })}\n`)) await once(file, 'drain')
}
file.end()
await once(file, 'finish')
model[Symbol.dispose]()
console.log(`${documents} conversations: ${folder}chat.jsonl`)
