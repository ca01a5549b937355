import { fullJitter } from '../client/backoff.ts'
import { Refusal } from '../client/refusal.ts'
import type { Answer, OpenAnswer } from '../client/transport.ts'
import { minute, second } from '../core/time.ts'
import { makeEventReader, type StreamEvent } from './sse.ts'

export interface StreamDeps {
  /** Opens the stream as whoever the agent is now. Throws TransportError. */
  open: () => Promise<OpenAnswer>
  onEvent: (event: StreamEvent) => void
  /** The stream stands, or no longer; why, when it ended by itself. */
  onState: (connected: boolean, error?: unknown) => void
  random: () => number
}

/** Servers write at least a comment every 25 s. */
const longestSilence = minute
/** A stream that stood so long was no failure. */
const goodAfter = 10 * second
const bounds = { first: second, most: 30 * second }
/** Who has no stream at all asks seldom. */
const refusedWait = 5 * minute

/** What a server answers instead of a stream; short, or no more of it is read. */
const readRefusal = async ({ status, headers, body }: OpenAnswer): Promise<Refusal> => {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of body) {
      chunks.push(chunk as Buffer)
      if (chunks.length > 64) break
    }
  } catch {
    // Told by its status alone.
  }
  return new Refusal({ status, headers, body: Buffer.concat(chunks) } satisfies Answer)
}

/** Keeps the event stream open: opens it again when it ends, waits as long as it is told to, notices silence. */
export const makeStream = ({ open, onEvent, onState, random }: StreamDeps) => {
  let turn = 0
  let failures = 0
  let current: OpenAnswer | undefined
  let timer: NodeJS.Timeout | undefined

  const later = (milliseconds: number, mine: number): void => {
    clearTimeout(timer)
    timer = setTimeout(() => void connect(mine), milliseconds)
  }

  /** Reads until the end; answers how long to wait as the server asked, if it did. */
  const read = async ({ body }: OpenAnswer): Promise<number | undefined> => {
    const reader = makeEventReader()
    const silence = setTimeout(() => body.destroy(new Error('nothing was heard on the stream')), longestSilence)
    let reconnectAfter: number | undefined
    try {
      for await (const chunk of body.setEncoding('utf8')) {
        silence.refresh()
        for (const event of reader(chunk as string)) {
          if (event.event === 'reconnect')
            reconnectAfter =
              (Number((JSON.parse(event.data) as { after_seconds?: number }).after_seconds) || 0) * second
          else onEvent(event)
        }
      }
    } finally {
      clearTimeout(silence)
    }
    return reconnectAfter
  }

  const connect = async (mine: number): Promise<void> => {
    let answer: OpenAnswer | undefined
    let stood = 0
    let reconnectAfter: number | undefined
    let failure: unknown
    try {
      answer = await open()
      if (mine !== turn) return void answer.body.destroy()
      if (answer.status !== 200) throw await readRefusal(answer)
      current = answer
      stood = performance.now()
      onState(true)
      reconnectAfter = await read(answer)
    } catch (error) {
      failure = error
    } finally {
      answer?.body.destroy()
    }
    if (mine !== turn) return
    current = undefined
    onState(false, failure)
    failures = stood > 0 && performance.now() - stood > goodAfter ? 0 : failures + 1
    const asked =
      failure instanceof Refusal ? (failure.retryAfter ?? (failure.problem.status < 500 ? refusedWait : 0)) : 0
    // A server that stops spreads its agents itself.
    const wait = reconnectAfter ?? asked + fullJitter(failures, bounds.first, bounds.most, random)
    if (mine === turn) later(wait, mine)
  }

  /** Opens the stream anew, at once; with what `open` uses by now. */
  const reopen = (): void => {
    turn += 1
    clearTimeout(timer)
    if (current !== undefined) {
      current.body.destroy()
      current = undefined
      onState(false)
    }
    void connect(turn)
  }

  return {
    reopen,
    connected: (): boolean => current !== undefined,
    stop: (): void => {
      turn += 1
      clearTimeout(timer)
      current?.body.destroy()
      current = undefined
    },
  }
}
export type Stream = ReturnType<typeof makeStream>
