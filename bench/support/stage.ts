import type { CallerRequest } from '../../src/authority/request.ts'
import type { PrincipalType } from '../../src/core/principal.ts'
import type { Verbs } from '../../src/server/plane.ts'
import { type Authority, makeAuthority } from '../../test/support/authority.ts'
import { type Identity, identityOf, makeRequest } from '../../test/support/client.ts'
import { startServer } from '../../test/support/plane.ts'
import { environmentOf } from '../../test/support/processes.ts'
import { startTestStore, type TestStore } from '../../test/support/store.ts'
import { inParallel, upTo } from './parallel.ts'
import { type OurServer, type ServerOptions, startOurServer } from './server.ts'

/** A principal with one certificate. */
export interface Member {
  principal_id: string
  serial_number: string
  identity: Identity
}

/** A store in its own process, authorities, and servers of ours on them. */
export interface Stage {
  store: TestStore
  authority: Authority
  /** Makes something in the registry before anything is measured: past HTTP, where the rate of one admin is limited. */
  prepare<T>(work: (verbs: Verbs, request: CallerRequest) => Promise<T>): Promise<T>
  /** Sends that maker away, so that it costs nothing while something is measured. `start` does it too. */
  settle(): Promise<void>
  /** The same 200 workers whenever it is asked: so many that nobody comes near the limit of requests for one principal. */
  crowd(): Promise<Member[]>
  /** The same 32 admins whenever it is asked, for the same reason. */
  admins(): Promise<Member[]>
  /** Principals with a certificate each, whom nobody has seen. */
  members(count: number, type?: PrincipalType): Promise<Member[]>
  start(options?: ServerOptions): Promise<OurServer>
  env: Record<string, string>
  end(): Promise<void>
}

/** What each verb learns of a call that nobody made. */
const request = { attribution: { actor: 'system', request_id: 'bench', remote_address: '127.0.0.1' } } as CallerRequest

/** Lays the stage; its preparing server is a guest in this process, until it is sent away. */
export const layStage = async (given: Partial<Pick<Stage, 'store' | 'authority'>> = {}): Promise<Stage> => {
  const store = given.store ?? (await startTestStore())
  const authority = given.authority ?? (await makeAuthority())
  const env = environmentOf(store, authority)
  const servers: OurServer[] = []
  let made = 0
  // A store that was kept from another time has members of that time.
  const stageName = Date.now().toString(36)
  let guest: ReturnType<typeof startServer> | undefined
  const prepare: Stage['prepare'] = async (work) => {
    guest ??= startServer(store, authority)
    return work((await guest).plane.verbs, request)
  }
  const settle = async () => {
    const leaving = guest
    guest = undefined
    await (await leaving)?.stop()
  }
  const members: Stage['members'] = (count, type = 'worker') =>
    prepare((verbs) =>
      inParallel(upTo(count), 8, async () => {
        const principal_id = `${type}-${stageName}-${made++}`
        const { key, csr_pem } = await makeRequest()
        await verbs.createPrincipal(request, { principal_id, type, max_certificates: 10 })
        const issued = await verbs.issueCertificate(request, { principal_id, csr_pem })
        const { serial_number } = issued.certificate
        return { principal_id, serial_number, identity: identityOf(issued, key) }
      }),
    )
  let crowd: Promise<Member[]> | undefined
  let admins: Promise<Member[]> | undefined
  return {
    store,
    authority,
    env,
    prepare,
    settle,
    members,
    crowd: () => {
      crowd ??= members(200)
      return crowd
    },
    admins: () => {
      admins ??= members(32, 'admin')
      return admins
    },
    start: async (options) => {
      await settle()
      const server = await startOurServer(env, options)
      servers.push(server)
      return server
    },
    end: async () => {
      await settle()
      await Promise.all(servers.map((server) => server.end()))
      await store.stop()
    },
  }
}
