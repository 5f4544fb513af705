// Generates the text and images that follow a prompt: node sample.cjs runs/demo/model "a sneaker"
const { Transfusion, writePng } = require('transfusion-js')

async function main(folder, prompt = '') {
  const model = await Transfusion.load(folder)
  let images = 0
  for await (const part of model.generate(prompt, { sampler: 'ddim', steps: 50 })) {
    if (part.type === 'text') process.stdout.write(part.text)
    if (part.type === 'image') {
      const path = `image-${++images}.png`
      await writePng(path, part.image)
      process.stdout.write(`[${path}]`)
    }
  }
  process.stdout.write('\n')
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
