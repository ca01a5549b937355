/** A thread of its own, so that a busy herd in this process does not slow down the clock of who watches it. */
import { get } from 'node:http'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { type Identity, makeClient } from '../../test/support/client.ts'

export interface BystanderOptions {
  address: string
  health: string
  root: string
  identity: Identity
}

export interface Observed {
  /** Milliseconds each. */
  health: number[]
  /** From the first octet to the answer, on a new connection and on one that was open before. */
  fresh: number[]
  kept: number[]
  refused: number
}

const probe = (address: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const started = performance.now()
    get(`http://${address}/health`, { agent: false, timeout: 10_000 }, (response) => {
      response.resume()
      response.once('end', () => resolve(performance.now() - started))
    }).once('error', reject)
  })

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))

const observe = async ({ address, health, root, identity }: BystanderOptions): Promise<void> => {
  const observed: Observed = { health: [], fresh: [], kept: [], refused: 0 }
  const kept = makeClient(address, root, identity, 0)
  const serials: string[] = []
  let over = false
  parentPort?.on('message', (message: { serial: string } | 'end') => {
    if (message === 'end') over = true
    else serials.push(message.serial)
  })
  const revoke = async (client: typeof kept, serial: string): Promise<number> => {
    const started = performance.now()
    for (;;) {
      const { status } = await client.post(`/v1/certificates/${serial}/revoke`, { reason: 'unspecified' })
      if (status === 200) return performance.now() - started
      observed.refused++
      await pause(50)
    }
  }
  const probing = (async () => {
    while (!over) {
      observed.health.push(await probe(health))
      await pause(50)
    }
  })()
  const revoking = (async () => {
    await kept.get('/v1/whoami')
    for (let turn = 0; !over || serials.length > 0; turn++) {
      const serial = serials.shift()
      if (serial === undefined) await pause(20)
      else if (turn % 2 === 0) observed.kept.push(await revoke(kept, serial))
      else {
        const client = makeClient(address, root, identity, 0)
        observed.fresh.push(await revoke(client, serial))
        client.close()
      }
    }
  })()
  await Promise.all([probing, revoking])
  kept.close()
  parentPort?.postMessage(observed)
  parentPort?.close()
}

export const startBystander = (options: BystanderOptions) => {
  const worker = new Worker(new URL(import.meta.url), { workerData: options })
  const observed = new Promise<Observed>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  return {
    revoke: (serial: string): void => worker.postMessage({ serial }),
    end: (): Promise<Observed> => {
      worker.postMessage('end')
      return observed
    },
  }
}

if (!isMainThread && workerData !== null) await observe(workerData as BystanderOptions)
