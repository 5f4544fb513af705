/** Letters and numbers of Unicode 17, which Hugging Face's library, of Unicode 16, does not know as such. */
const newer = String.raw`[\u{88f}\u{c5c}\u{cdc}\u{a7ce}\u{a7cf}\u{a7d2}\u{a7d4}\u{a7f1}\u{10940}-\u{10959}\u{10ec5}-\u{10ec7}\u{11db0}-\u{11ddb}\u{11de0}-\u{11de9}\u{16ea0}-\u{16eb8}\u{16ebb}-\u{16ed3}\u{16ff2}-\u{16ff6}\u{187f8}-\u{187ff}\u{18d09}-\u{18d1e}\u{18d80}-\u{18df2}\u{1e6c0}-\u{1e6de}\u{1e6e0}-\u{1e6e2}\u{1e6e4}\u{1e6e5}\u{1e6e7}-\u{1e6ed}\u{1e6f0}-\u{1e6f4}\u{1e6fe}\u{1e6ff}\u{2b73a}-\u{2b73f}\u{2cea2}-\u{2cead}\u{323b0}-\u{33479}]`
const letter = String.raw`[\p{L}--${newer}]`
const number = String.raw`[\p{N}--${newer}]`
const other = String.raw`[^\p{White_Space}${letter}${number}]`

/**
 * GPT-2's words, which byte-level BPE never merges across, as Hugging Face's ByteLevel pre-tokenizer finds them: `\s` is
 * Unicode's white space there. JavaScript's differs in U+0085 and U+FEFF.
 */
export const byteLevelWords = new RegExp(
  String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?${letter}+| ?${number}+| ?${other}+` +
    String.raw`|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+`,
  'gv',
)
