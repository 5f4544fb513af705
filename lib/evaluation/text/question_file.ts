import { z } from 'zod'
import { parseConfig } from '../../config/parse.js'
import { readImage } from '../../image/image_io.js'
import type { ImagePreprocessingOptions } from '../../image/image_preprocessing.js'
import { parseJson } from '../../files/json_file.js'
import { documentOf } from '../../data/sources/jsonl/json_document.js'
import { RecordFiles } from '../../data/sources/records/record_files.js'
import { type AnsweredQuestion, publicQuestion } from './question_layouts.js'

const text = z.string().min(1)

const lineSchema = z
  .object({
    context: z.union([text, z.array(z.unknown()).min(1)], {
      error: 'expected a text, or a list of texts and {"image": "a.png"}',
    }),
    options: z.array(text).min(2),
    answer: z.int().min(0),
  })
  .refine(({ options, answer }) => answer < options.length, {
    path: ['answer'],
    error: 'expected the number of an option, from 0',
  })

/**
 * Reads questions from JSON Lines: {"context": "Two and two are", "options": [" four", " five"], "answer": 0}. A context
 * with images is a list: ["What is this?", {"image": "a.png"}], files being relative to the file. Context and option
 * are joined as they stand: where a space belongs between them, one of them has it. Lines of HellaSwag, PIQA, Social IQa,
 * WinoGrande and ARC are known by their keys. Rejects with an Error that names file and line.
 */
export async function* readQuestions(
  path: string,
  preprocessing: ImagePreprocessingOptions,
): AsyncGenerator<AnsweredQuestion, void, undefined> {
  const records = await RecordFiles.open([path], { separator: '\n' })
  const reader = records.reader()
  try {
    for (let index = 0; index < records.length; index++) {
      const name = `${path}:${records.place(index).number + 1}`
      const record = parseJson((await reader.read(index)).trimEnd(), name)
      const known = publicQuestion(record, name)
      if (known) {
        yield known
        continue
      }
      const { context, options, answer } = parseConfig(lineSchema, record, name)
      const parts = documentOf({ parts: [context].flat() }, name, path)
      const prompt = parts.map((part) =>
        part.type === 'text' ? part.text : readImage('path' in part ? part.path : part.bytes, preprocessing),
      )
      yield { context: await Promise.all(prompt), options, answer }
    }
  } finally {
    await reader.close()
  }
}
