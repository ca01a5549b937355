import { readFileSync } from 'node:fs'
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import type { CallerRequest } from '../../src/authority/request.ts'
import { identityOf, makeRequest } from '../../test/support/client.ts'
import { type Member, startPlane, type TestPlane } from '../../test/support/plane.ts'
import { type Program, startProgram } from '../../test/support/program.ts'

/** Runs tasks, so many at once. */
export const inParallel = async <T>(
  items: T[],
  atOnce: number,
  task: (item: T, index: number) => Promise<void>,
): Promise<void> => {
  let next = 0
  const lane = async () => {
    while (next < items.length) {
      const index = next++
      await task(items[index] as T, index)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
}

/** Garbage that lies around would count as memory of whatever came last. */
const collectOften = 'data:text/javascript,setInterval(gc,500).unref()'

/** A server in a process of its own, as it would run alone. */
export const startServerProcess = async (
  plane: TestPlane,
  options: { port?: number; collectOften?: boolean } = {},
): Promise<Program & { mtls: string; health: string }> => {
  const program = startProgram(
    ['--mtls-listen', `127.0.0.1:${options.port ?? 0}`, '--health-listen', '127.0.0.1:0', '--hostname', 'localhost'],
    {
      ...plane.authority.env,
      ...(options.collectOften ? { NODE_OPTIONS: `--expose-gc --import=${collectOften}` } : {}),
      AIRUNNER_PRINCIPAL_TABLE: plane.store.tables.principals,
      AIRUNNER_CERT_TABLE: plane.store.tables.certificates,
      AIRUNNER_CONTROL_TABLE: plane.store.tables.control,
      AWS_ENDPOINT_URL_DYNAMODB: plane.store.engine.endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
    },
  )
  const ready = await program.event('server_ready')
  return { ...program, mtls: String(ready['mtls_listen']), health: String(ready['health_listen']) }
}

/** Resident memory of a process, a while after it had something to do. Octets. */
export const residentMemory = async (pid: number): Promise<number> => {
  await new Promise((resolve) => setTimeout(resolve, 3000))
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
}

/** Seconds of CPU that a process has used. */
export const cpuSeconds = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

export interface BenchAgent {
  member: Member
  context: SecureContext
}

/** A plane with so many workers, each with a certificate; the server of the plane itself carries no streams. */
export const makeFleet = async (
  count: number,
): Promise<{ plane: TestPlane; agents: BenchAgent[]; stop: () => Promise<void> }> => {
  const ends: (() => unknown)[] = []
  const plane = await startPlane({ teardown: (end: () => unknown) => void ends.push(end) } as never)
  const agents: BenchAgent[] = []
  await inParallel(Array.from({ length: count }), 8, async (_, index) => {
    const member = await enrol(plane, `worker-${index}`)
    const context = createSecureContext({
      cert: member.identity.certificate,
      key: member.identity.key,
      ca: plane.authority.root_pem,
    })
    agents[index] = { member, context }
  })
  return {
    plane,
    agents,
    stop: async () => {
      for (const end of ends.reverse()) await end()
    },
  }
}

/** Past HTTP, where the rate of one admin is limited. */
const enrol = async ({ server, clientOf }: TestPlane, principal_id: string): Promise<Member> => {
  const request = {
    attribution: { actor: 'system', request_id: 'bench', remote_address: '127.0.0.1' },
  } as CallerRequest
  const { verbs } = server.plane
  const { key, csr_pem } = await makeRequest()
  await verbs.createPrincipal(request, { principal_id, type: 'worker' })
  const issued = await verbs.issueCertificate(request, { principal_id, csr_pem })
  const identity = identityOf(issued, key)
  return { identity, issued, client: clientOf(identity) }
}

/** Opens the event stream of an agent; resolves when its snapshot is there, rejects when it ends before. */
export const openStream = (address: string, { context }: BenchAgent, instance: string): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const [host = '', port = ''] = address.split(':')
    const socket = connect({
      host,
      port: Number(port),
      servername: 'localhost',
      secureContext: context,
      ALPNProtocols: ['http/1.1'],
    })
    let text = ''
    const fail = () => reject(new Error(/"code":"(\w+)"/.exec(text)?.[1] ?? 'cut'))
    socket.on('error', () => undefined)
    socket.once('close', fail)
    socket.once('secureConnect', () =>
      socket.write(
        `GET /v1/agent/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nAirunner-Instance: ${instance}\r\n\r\n`,
      ),
    )
    const onData = (part: Buffer) => {
      text += part
      // A refusal: the caller decides when to come again.
      if (text.includes('\r\n\r\n') && !text.startsWith('HTTP/1.1 200')) return socket.destroy()
      if (!text.includes('event: snapshot')) return
      socket.off('data', onData)
      socket.off('close', fail)
      socket.resume()
      resolve(socket)
    }
    socket.on('data', onData)
  })

/** The same; whoever is told to come later does. */
export const openStreamPatiently = async (address: string, agent: BenchAgent, instance: string): Promise<TLSSocket> => {
  for (;;) {
    try {
      return await openStream(address, agent, instance)
    } catch (error) {
      if (!/overloaded|rate_limited/.test((error as Error).message)) throw error
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }
}
