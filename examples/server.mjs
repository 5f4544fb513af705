// Answers POST /generate with a stream of text and images as they come: node server.mjs runs/demo/model 3000
//   curl -N localhost:3000/generate --json '{ "prompt": "a sneaker", "steps": 50, "sampler": "ddim" }'
// It needs `npm install hono @hono/node-server`.
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { encodePng, Transfusion } from 'transfusion-js'

const [folder, port = '3000'] = process.argv.slice(2)
const model = await Transfusion.load(folder)
const app = new Hono()

// Answers at any time: the model computes on threads of its own.
app.get('/health', (context) => context.json({ ok: true }))

app.post('/generate', async (context) => {
  const { prompt, ...options } = await context.req.json()
  return streamSSE(context, async (stream) => {
    const left = new AbortController()
    stream.onAbort(() => left.abort())
    const send = (event, data) => stream.writeSSE({ event, data })
    try {
      // `generate` checks the options. A client that has left costs at most one more denoising step.
      for await (const part of model.generate(prompt, { ...options, signal: left.signal })) {
        if (part.type === 'image' || part.type === 'preview')
          await send(part.type, (await encodePng(part.image)).toString('base64'))
        else await send(part.type, part.type === 'text' ? part.text : JSON.stringify(part))
      }
    } catch (error) {
      if (left.signal.aborted) console.log('the client has left')
      else await send('error', error.message)
    }
  })
})

serve({ fetch: app.fetch, port: Number(port) }, ({ port }) => console.log(`http://localhost:${port}`))
