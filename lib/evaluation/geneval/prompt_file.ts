import { z } from 'zod'
import { parseConfig } from '../../config/parse.js'
import { relations } from '../../datasets/shapes/relations.js'
import { parseJson } from '../../files/json_file.js'
import { readText } from '../../files/text_file.js'

const name = z.string().min(1)

const requirement = z.object({
  class: name,
  count: z.int().min(1),
  color: name.optional(),
  position: z.tuple([z.enum(relations), z.int().min(0)]).optional(),
})

/** A line of GenEval's evaluation_metadata.jsonl, which each of its picture folders repeats. */
export const genEvalPromptSchema = z
  .object({
    tag: name,
    prompt: name,
    include: z.array(requirement).default([]),
    exclude: z.array(requirement).optional(),
  })
  .refine(({ include }) => include.every(({ position }, i) => !position || position[1] < i), {
    path: ['include'],
    error: 'expected positions to name an earlier requirement by its number, from 0',
  })

/** A prompt, its kind and what it asks for. */
export type GenEvalPrompt = z.output<typeof genEvalPromptSchema>

/** Reads GenEval's prompts, JSON Lines. Rejects with an Error that names file and line, or an empty file. */
export async function readGenEvalPrompts(path: string): Promise<GenEvalPrompt[]> {
  const lines = (await readText(path)).split('\n').map((line, i) => ({ line, name: `${path}:${i + 1}` }))
  const prompts = lines
    .filter(({ line }) => line.trim() !== '')
    .map(({ line, name: where }) => parseConfig(genEvalPromptSchema, parseJson(line.trim(), where), where))
  if (prompts.length === 0)
    throw new Error(`${path}: has no prompts; expected GenEval's evaluation_metadata.jsonl`)
  return prompts
}
