import { createReadStream } from 'node:fs'
import { fileError } from '../client/files.ts'

/** The lines of a file, without their ends, one chunk of it in memory. A line that is longer than `longest` is cut there. */
export async function* linesOf(path: string, longest: number): AsyncGenerator<string> {
  let rest = ''
  try {
    for await (const chunk of createReadStream(path, { encoding: 'utf8', highWaterMark: 1 << 18 })) {
      rest += chunk
      let from = 0
      for (let to = rest.indexOf('\n'); to >= 0; to = rest.indexOf('\n', from)) {
        yield rest.slice(from, to)
        from = to + 1
      }
      rest = rest.slice(from)
      if (rest.length > longest) rest = rest.slice(0, longest)
    }
  } catch (error) {
    throw fileError(`cannot read ${path}`, error)
  }
  if (rest !== '') yield rest
}
