import { describe, expect, it } from 'vitest'
import { type ConversationCommand, parseCommand } from '../../../lib/generation/conversation/commands.js'

describe('parseCommand', () => {
  it.each([
    ['', { type: 'text', text: '' }],
    [' a cat ', { type: 'text', text: ' a cat ' }],
    ['//etc', { type: 'text', text: '/etc' }],
    ['/draw', { type: 'draw', text: '' }],
    ['/draw a  bag ', { type: 'draw', text: 'a  bag' }],
    ['/image cat.png', { type: 'image', file: 'cat.png' }],
    [`/image 'my cat.png'`, { type: 'image', file: 'my cat.png' }],
    ['/image my\\ cat.png', { type: 'image', file: 'my cat.png' }],
    ['/save "one.jsonl"', { type: 'save', file: 'one.jsonl' }],
    ['/seed 7', { type: 'seed', seed: 7 }],
    [' /reset', { type: 'reset' }],
    ['/help', { type: 'help' }],
    ['/quit', { type: 'quit' }],
  ] as [string, ConversationCommand][])('reads %j', (line, command) => {
    expect(parseCommand(line)).toEqual(command)
  })

  it.each([
    ['/drew a', '/drew: unknown command; did you mean "draw"?'],
    ['/image', 'expected /image FILE'],
    ['/save ""', 'expected /save FILE'],
    ['/seed x', '/seed: expected a whole number, received "x"'],
  ])('says what is wrong with %j', (line, words) => {
    expect(() => parseCommand(line)).toThrow(words)
  })
})
