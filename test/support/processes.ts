import { type Authority, makeAuthority } from './authority.ts'
import { type Client, type Identity, identityOf, makeClient, makeRequest } from './client.ts'
import { startServer } from './plane.ts'
import { type Program, startProgram } from './program.ts'
import { startTestStore, storeCredentials, type TestStore } from './store.ts'

export interface ServerProcess {
  program: Program
  mtls: string
  health: string
  /** Empty unless it was asked for with `--metrics-listen`. */
  metrics: string
  /** Empty unless it was asked for with `--pki-listen`. */
  pki: string
  /** Sends a signal and waits for the end: its exit code, or null after SIGKILL. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

export interface Ground {
  store: TestStore
  authority: Authority
  admin: Identity
  clientOf(identity: Identity | undefined, address: string): Client
  /** Starts `rpc-server` as a process of its own, on free ports; resolves when it is ready. */
  start(args?: string[], env?: Record<string, string>): Promise<ServerProcess>
  /** Ends all of it, processes included. */
  end(): Promise<void>
}

/** The environment in which `rpc-server` finds this store and these authorities. */
export const environmentOf = ({ tables, engine }: TestStore, authority: Authority): Record<string, string> => ({
  ...authority.env,
  AIRUNNER_PRINCIPAL_TABLE: tables.principals,
  AIRUNNER_CERT_TABLE: tables.certificates,
  AIRUNNER_CONTROL_TABLE: tables.control,
  AWS_ENDPOINT_URL_DYNAMODB: engine.endpoint,
  AWS_REGION: storeCredentials.region,
  AWS_ACCESS_KEY_ID: storeCredentials.credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: storeCredentials.credentials.secretAccessKey,
})

/** What servers that are processes stand on: a store, authorities, and a first admin in the registry. */
export const layGround = async (given?: TestStore, authorities?: Authority): Promise<Ground> => {
  const store = given ?? (await startTestStore())
  const authority = authorities ?? (await makeAuthority())
  const running = new Set<Program>()
  const clients: Client[] = []

  const bootstrap = await startServer(store, authority)
  const { key, csr_pem } = await makeRequest()
  const issued = await bootstrap.plane.registerAdmin({ principal_id: 'admin-test', csr_pem })
  await bootstrap.stop()

  const start: Ground['start'] = async (args = [], env = {}) => {
    const listeners = ['--mtls-listen', '127.0.0.1:0', '--health-listen', '127.0.0.1:0', '--hostname', 'localhost']
    const program = startProgram([...listeners, ...args], { ...environmentOf(store, authority), ...env })
    running.add(program)
    program.ended.then(() => running.delete(program))
    const ready = await program.event('server_ready')
    return {
      program,
      mtls: String(ready['mtls_listen']),
      health: String(ready['health_listen']),
      metrics: String(ready['metrics_listen'] ?? ''),
      pki: String(ready['pki_listen'] ?? ''),
      end: async (signal) => {
        program.child.kill(signal)
        return (await program.ended).code
      },
    }
  }
  return {
    store,
    authority,
    admin: identityOf(issued, key),
    clientOf: (identity, address) => {
      const client = makeClient(address, authority.root_pem, identity)
      clients.push(client)
      return client
    },
    start,
    end: async () => {
      for (const client of clients) client.close()
      const ending = [...running]
      for (const { child } of ending) child.kill('SIGKILL')
      await Promise.all(ending.map(({ ended }) => ended))
      await store.stop()
    },
  }
}
