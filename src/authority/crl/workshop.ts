import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { minute, second } from '../../core/time.ts'
import type { Answered, Tasks, ThreadOptions } from './thread.ts'

/** A thread that nobody needs ends after so long, and gives its memory back. Milliseconds. */
const idleTime = minute
/** One task, at the longest: then the store is too slow, and the thread is given up. Milliseconds. */
const longestTask = 2 * minute

/** As a source, or as it was compiled. */
const threadFile = new URL(`./thread${extname(import.meta.url)}`, import.meta.url)

type Pending = { resolve: (answer: never) => void; reject: (error: Error) => void; late: NodeJS.Timeout }

/** Does what thread.ts offers, in a thread that is started when it is needed. Rejects when the thread or its store fails. */
export const makeWorkshop = (options: ThreadOptions) => {
  let worker: Worker | undefined
  let idle: NodeJS.Timeout | undefined
  let last = 0
  const pending = new Map<number, Pending>()

  const giveUp = (reason: string): void => {
    const ended = worker
    worker = undefined
    for (const { reject, late } of pending.values()) {
      clearTimeout(late)
      reject(new Error(reason))
    }
    pending.clear()
    clearTimeout(idle)
    void ended?.terminate()
  }

  const start = (): Worker => {
    const started = new Worker(threadFile, { workerData: options, name: 'crl' })
    started.unref()
    started.on('message', (answered: Answered) => {
      const asked = pending.get(answered.id)
      if (asked === undefined) return
      pending.delete(answered.id)
      clearTimeout(asked.late)
      if ('failure' in answered) asked.reject(new Error(answered.failure))
      else asked.resolve(answered.answer as never)
      if (pending.size === 0) idle = setTimeout(() => giveUp('idle'), idleTime).unref()
    })
    const ended = (reason: string) => () => {
      if (worker === started) giveUp(reason)
    }
    started.on('error', (error) => ended(`the thread failed: ${(error as Error).message}`)())
    started.on('exit', ended('the thread ended'))
    return started
  }

  const run = <Name extends keyof Tasks>(
    task: Name,
    order: Parameters<Tasks[Name]>[0],
  ): Promise<ReturnType<Tasks[Name]>> =>
    new Promise((resolve, reject) => {
      clearTimeout(idle)
      worker ??= start()
      const id = ++last
      const late = setTimeout(
        () => giveUp(`no answer of the thread within ${longestTask / second} s`),
        longestTask,
      ).unref()
      pending.set(id, { resolve: resolve as (answer: never) => void, reject, late })
      worker.postMessage({ id, task, order })
    })

  return {
    run,
    stop: async (): Promise<void> => {
      const ending = worker
      giveUp('the server stops')
      await ending?.terminate()
    },
  }
}
export type Workshop = ReturnType<typeof makeWorkshop>
