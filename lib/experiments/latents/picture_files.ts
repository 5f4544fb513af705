import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { emojiCaption, type EmojiPicture } from '../../datasets/emoji/emoji.js'
import { replaceFiles } from '../../files/atomic_folder.js'
import { exists } from '../../files/exists.js'
import { encodePng } from '../../image/image_io.js'

/** Pictures that are compressed together. */
const atOnce = 64
/** There once all pictures are. */
const completeFile = '.complete'

/** Writes pictures into a folder, `0000.png` beside its caption `0000.txt`, as data of type "folder" reads them; once. */
export async function writePictureFiles(folder: string, pictures: readonly EmojiPicture[]): Promise<void> {
  if (await exists(join(folder, completeFile))) return
  await replaceFiles(folder, async (aside) => {
    for (let first = 0; first < pictures.length; first += atOnce)
      await Promise.all(
        pictures.slice(first, first + atOnce).map(async (picture, i) => {
          const path = join(aside, String(first + i).padStart(4, '0'))
          await writeFile(`${path}.png`, await encodePng(picture.image))
          await writeFile(`${path}.txt`, emojiCaption(picture))
        }),
      )
    await writeFile(join(aside, completeFile), '')
  })
}
