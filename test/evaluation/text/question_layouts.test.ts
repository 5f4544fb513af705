import { expect, it } from 'vitest'
import { publicQuestion } from '../../../lib/evaluation/text/question_layouts.js'

const hellaswag = {
  ind: 4,
  activity_label: 'Washing a dog',
  ctx_a: 'A woman [laughs] holds a hose.',
  ctx_b: 'the wet DOG',
  ctx: 'A woman holds a hose. the wet DOG',
  endings: ['runs off [title] The end [step] of it', ' sits  down.'],
  label: '1',
}
const piqa = { goal: 'Dry a plate', sol1: 'Use a towel', sol2: 'Use a hose', label: 0 }
const siqa = {
  context: 'Ann lent Bo a book.',
  question: 'How does Bo feel?',
  answerA: 'thankful',
  answerB: 'cold',
  answerC: 'hungry',
  label: '1',
}
const arc = {
  id: 'a',
  question: 'What is hot?',
  choices: { text: ['ice', 'fire'], label: ['A', 'B'] },
  answerKey: 'B',
}
const ai2 = {
  id: 'a',
  question: {
    stem: 'What is hot?',
    choices: [
      { text: 'ice', label: '1' },
      { text: 'fire', label: '2' },
    ],
  },
  answerKey: '2',
}
const hot = { context: 'Question: What is hot?\nAnswer:', options: [' ice', ' fire'], answer: 1 }

it.each<[string, object, object]>([
  [
    'HellaSwag',
    hellaswag,
    {
      context: 'Washing a dog: A woman holds a hose. The wet dog',
      options: [' runs off. The end of it', ' sits down.'],
      answer: 1,
    },
  ],
  [
    'PIQA',
    piqa,
    { context: 'Question: Dry a plate\nAnswer:', options: [' Use a towel', ' Use a hose'], answer: 0 },
  ],
  [
    'Social IQa',
    siqa,
    {
      context: 'Q: Ann lent Bo a book. How does Bo feel?\nA:',
      options: [' thankful', ' cold', ' hungry'],
      answer: 0,
    },
  ],
  ['ARC of Hugging Face', arc, hot],
  ['ARC of AI2', ai2, hot],
  [
    'WinoGrande',
    { sentence: 'The cup fell, and _ broke.', option1: 'it', option2: 'the floor', answer: '1' },
    {
      context: { each: ['The cup fell, and it', 'The cup fell, and the floor'] },
      options: [' broke.', ' broke.'],
      answer: 0,
    },
  ],
])('knows %s', (_, record, question) => expect(publicQuestion(record, 'a')).toEqual(question))

it('leaves other records to others', () => {
  expect(publicQuestion({ context: 'a', options: ['b', 'c'], answer: 0 }, 'a')).toBeUndefined()
  expect(publicQuestion(7, 'a')).toBeUndefined()
})

it.each<[object, string]>([
  [{ ...hellaswag, label: '2' }, 'expected the answer to be one of the options'],
  [{ ...hellaswag, label: '' }, 'label: expected a whole number'],
  [{ ...siqa, label: '0' }, 'expected the answer to be one of the options'],
  [{ ...arc, answerKey: 'C' }, 'expected the answer to be one of the options'],
  [{ ...piqa, sol2: 7 }, 'sol2'],
  [{ sentence: 'no gap', option1: 'a', option2: 'b', answer: '1' }, 'sentence: expected a sentence with _'],
])('says what is wrong: %#', (record, message) => {
  expect(() => publicQuestion(record, 'file.jsonl:3')).toThrow(/^file\.jsonl:3/)
  expect(() => publicQuestion(record, 'file.jsonl:3')).toThrow(message)
})
