/**
 * GPT-2's words, which byte-level BPE never merges across, as Hugging Face's ByteLevel pre-tokenizer finds them: `\s` is
 * Unicode's white space there. JavaScript's differs in U+0085 and U+FEFF.
 */
export const BYTE_LEVEL_WORDS =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu
