import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { pino } from 'pino'
import type { Admitted, Presented } from '../../src/auth/caller.ts'
import type { CertificateRecord } from '../../src/core/certificate.ts'
import { ControlError } from '../../src/core/errors.ts'
import type { PrincipalRecord, PrincipalType } from '../../src/core/principal.ts'
import { makeEnrollApp } from '../../src/server/enroll-app.ts'
import { type MtlsAppConfig, makeMtlsApp, type ServedPlane } from '../../src/server/mtls-app.ts'
import type { StoredAnswer, Verbs } from '../../src/server/plane.ts'
import type { OpenStream } from '../../src/server/plugins/admission.ts'
import { renderCertificate } from '../../src/wire/certificates.ts'
import { renderJoinRule } from '../../src/wire/join-rules.ts'
import { renderJoinToken } from '../../src/wire/join-tokens.ts'
import { renderPrincipal } from '../../src/wire/principals.ts'

const epoch = Date.UTC(2026, 0, 1)

export const serialOf: Record<PrincipalType, string> = {
  admin: 'a'.repeat(32),
  worker: 'b'.repeat(32),
  user: 'c'.repeat(32),
  service: 'd'.repeat(32),
}

export const principalRow = (principal_id: string, type: PrincipalType): PrincipalRecord => ({
  principal_id,
  type,
  status: 'active',
  created_at: epoch,
  created_by: 'system',
  updated_at: epoch,
  version: 3,
  revision: 1,
  max_certificates: 3,
  metadata: {},
  rejoins: 0,
  rejoin_blocked: false,
  active_serials: {},
})

export const certificateRow = (serial_number: string, owner: PrincipalRecord): CertificateRecord => ({
  serial_number,
  fingerprint: serial_number.repeat(2),
  principal_id: owner.principal_id,
  principal_type: owner.type,
  subject_dn: `CN=${owner.principal_id}`,
  spiffe_id: `spiffe://localhost/${owner.type}/${owner.principal_id}`,
  issuer_id: '0'.repeat(16),
  issued_at: epoch,
  not_before: epoch,
  expires_at: epoch + 10 * 365 * 86_400_000,
  expiry_day: '2036-01-01',
  issued_by: 'system',
  kind: 'issued',
  revoked: false,
  certificate_der: new Uint8Array(),
  spki_sha256: 'e'.repeat(64),
  ttl: 0,
})

const issued = (row: CertificateRecord) => ({
  certificate: renderCertificate(row, epoch),
  certificate_pem: 'PEM',
  chain_pem: 'PEM',
  trust_bundle_pem: 'PEM',
  renew_after: '2026-01-02T00:00:00.000Z',
  renew_before: '2026-01-03T00:00:00.000Z',
})

const revocation = (revocation_id: string) => ({
  revocation_id,
  state: 'pending' as const,
  dry_run: false,
  reason: 'unspecified' as const,
  matched: 0,
  revoked: 0,
  created_at: '2026-01-01T00:00:00.000Z',
  created_by: 'admin-1',
})

const window = { renew_after: '2026-01-02T00:00:00.000Z', renew_before: '2026-01-03T00:00:00.000Z' }

const agent = {
  principal_id: 'worker-1',
  presence: 'online' as const,
  last_seen_at: '2026-01-01T00:00:00.000Z',
  metadata: {},
}

const command = {
  command_id: '2'.repeat(32),
  principal_id: 'worker-1',
  command: 'renew' as const,
  state: 'pending' as const,
  created_at: '2026-01-01T00:00:00.000Z',
  created_by: 'admin-1',
  expires_at: '2026-01-01T00:05:00.000Z',
}

const joinToken = renderJoinToken(
  {
    join_token_id: '3'.repeat(32),
    token_sha256: '',
    principal_type: 'worker',
    id_prefix: 'worker-',
    created_at: epoch,
    created_by: 'admin-1',
    expires_at: epoch + 1,
    max_uses: 1,
    uses: 0,
    rejoin: false,
    allow_admin: false,
    metadata: {},
  },
  epoch,
)

const joinRule = renderJoinRule({
  join_rule_id: '4'.repeat(32),
  version: 1,
  created_at: epoch,
  created_by: 'admin-1',
  updated_at: epoch,
  enabled: true,
  method: 'aws_iam',
  principal_type: 'worker',
  principal_id_template: 'w-{session_name}',
  metadata: {},
  rejoin: false,
  max_rejoins: 5,
  aws_iam: { account_ids: ['123456789012'], role_names: ['x'], trust_session_name: true },
})

const authority = {
  issuer_id: '0123456789abcdef',
  kind: 'issuer' as const,
  state: 'prepared' as const,
  subject_dn: 'CN=issuer',
  sha256: 'f'.repeat(64),
  not_before: '2026-01-01T00:00:00.000Z',
  expires_at: '2027-01-01T00:00:00.000Z',
  certificate_pem: 'PEM',
  version: 1,
}

export const trustBundle = { roots_pem: 'ROOTS\n', sha256: ['f'.repeat(64)], version: '0123456789abcdef' }

export interface FakePlane extends ServedPlane {
  verbs: Verbs
  calls: string[]
  kept: Map<string, StoredAnswer>
  callers: Map<string, Admitted>
}

/** A plane that remembers what it was asked and decides nothing: for the mechanics of HTTP, and nothing else. */
export const makeFakePlane = (): FakePlane => {
  const calls: string[] = []
  const kept = new Map<string, StoredAnswer>()
  const callers = new Map<string, Admitted>()
  for (const [type, serial] of Object.entries(serialOf) as [PrincipalType, string][]) {
    const principal = principalRow(`${type}-1`, type)
    callers.set(serial, { principal, certificate: certificateRow(serial, principal) })
  }
  const principalOf = (id: string): PrincipalRecord => {
    for (const { principal } of callers.values()) if (principal.principal_id === id) return principal
    throw new ControlError('not_found', `there is no principal ${id}`)
  }
  const show = async (id: string) => renderPrincipal(principalOf(id), epoch)
  const certificateOf = (serial: string): CertificateRecord => {
    const found = callers.get(serial)
    if (found === undefined) throw new ControlError('not_found', `there is no certificate ${serial}`)
    return found.certificate
  }
  const workerRow = certificateRow(serialOf.worker, principalRow('worker-1', 'worker'))
  const verbs: Verbs = {
    createPrincipal: async (_request, body) => renderPrincipal(principalRow(body.principal_id, body.type), epoch),
    listPrincipals: async () => ({ items: [await show('admin-1')] }),
    getPrincipal: show,
    updatePrincipal: async (_request, id, _body, { version }) => {
      if (version !== undefined && version !== 3) throw new ControlError('version_mismatch', 'it is 3 now')
      return show(id)
    },
    suspendPrincipal: async (_request, id) => show(id),
    activatePrincipal: async (_request, id) => show(id),
    deletePrincipal: async (_request, id) => show(id),
    issueCertificate: async () => issued(workerRow),
    renewCertificate: async () => issued(workerRow),
    listCertificates: async () => ({ items: [renderCertificate(workerRow, epoch)] }),
    getCertificate: async (serial) => renderCertificate(certificateOf(serial), epoch),
    revokeCertificate: async (_request, serial) => renderCertificate(certificateOf(serial), epoch),
    createJoinToken: async () => joinToken,
    listJoinTokens: async () => ({ items: [joinToken] }),
    getJoinToken: async () => joinToken,
    revokeJoinToken: async () => joinToken,
    createJoinRule: async () => joinRule,
    listJoinRules: async () => ({ items: [joinRule] }),
    getJoinRule: async () => joinRule,
    updateJoinRule: async () => joinRule,
    deleteJoinRule: async () => joinRule,
    testJoinRule: async () => ({ would_join: false, reasons: [] }),
    enroll: async () => ({
      ...issued(workerRow),
      principal: renderPrincipal(principalRow('worker-1', 'worker'), epoch),
    }),
    startRevocation: async () => revocation('1'.repeat(32)),
    getRevocation: async (id) => revocation(id),
    listAuditEvents: async () => ({ items: [] }),
    listAuditChains: async () => ({ items: [] }),
    listAuditChainEvents: async () => ({ items: [] }),
    listAuditCheckpoints: async () => ({ items: [] }),
    reportStatus: async () => ({ report_after_seconds: 25, ...window }),
    listAgents: async () => ({ items: [agent] }),
    getAgent: async () => ({ ...agent, commands: [command] }),
    sendCommand: async () => command,
    listCommands: async () => ({ items: [command] }),
    finishCommand: async () => command,
    listAuthorities: async () => ({ items: [authority] }),
    getAuthority: async () => authority,
    prepareAuthority: async () => ({ authority, created: true }),
    activateAuthority: async () => authority,
    retireAuthority: async () => authority,
    removeAuthority: async () => authority,
  }
  for (const [name, verb] of Object.entries(verbs)) {
    Object.assign(verbs, {
      [name]: async (...parameters: unknown[]) => {
        calls.push(name)
        return (verb as (...given: unknown[]) => Promise<unknown>)(...parameters)
      },
    })
  }
  return {
    verbs,
    calls,
    kept,
    callers,
    admit: async (presented) => {
      const caller = callers.get(presented.serial_number)
      if (caller === undefined) throw new ControlError('certificate_unregistered', 'this is for the log only')
      return caller
    },
    answers: {
      find: async (key) => kept.get(key),
      keep: async (once, body) => {
        const first = kept.get(once.key)
        if (first !== undefined) return first
        kept.set(once.key, {
          status: once.status,
          body: JSON.parse(JSON.stringify(body)),
          body_sha256: once.body_sha256,
        })
        once.kept = true
        return undefined
      },
    },
    trustBundle: () => trustBundle,
    attachAgent: async () => {
      const snapshot = { commands: [], trust_bundle_version: trustBundle.version, ...window, report_after_seconds: 25 }
      return { snapshot, opened: (stream) => stream.send('snapshot', snapshot), closed: () => undefined }
    },
  }
}

const listen = async (
  take: (socket: Socket) => void,
): Promise<{ server: Server; port: number; sockets: Set<Socket> }> => {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    take(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, port: (server.address() as AddressInfo).port, sockets }
}

export interface MtlsOptions {
  plane?: FakePlane
  config?: MtlsAppConfig
  clock?: () => number
  logged?: Record<string, unknown>[]
  /** In [0, 1): where jitter falls. */
  random?: number
}

/** The mTLS application behind plain TCP: one port per certificate, so that a port stands for a caller. */
export const openMtlsApp = async (options: MtlsOptions = {}) => {
  const plane = options.plane ?? makeFakePlane()
  const presented = new WeakMap<Socket, Presented>()
  const streams = new Map<Socket, OpenStream>()
  const identified: string[] = []
  const admissions: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void options.logged?.push(JSON.parse(line)) })
  const {
    app,
    httpServer,
    warm,
    streams: eventStreams,
  } = await makeMtlsApp({
    plane,
    log,
    metrics: { admission: (result, type) => void admissions.push(`${result} ${type}`), answered: () => undefined },
    connections: {
      presentedOf: (socket) => presented.get(socket),
      identify: (_socket, id, type) => void identified.push(`${id} ${type}`),
      setStream: (socket, stream) => void streams.set(socket, stream),
    },
    remoteAddressOf: () => '192.0.2.7',
    random: () => options.random ?? 0,
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    // The limit of rates has its own test; everybody else's would trip over it.
    config: { requestsPerSecond: 1e6, burst: 1e6, ...options.config },
  })
  const opened: Awaited<ReturnType<typeof listen>>[] = []
  return {
    app,
    warm,
    plane,
    streams,
    eventStreams,
    identified,
    admissions,
    /** A port on which the peer has presented the certificate of this serial number; '' for none at all. */
    portFor: async (serial_number: string): Promise<number> => {
      const listener = await listen((socket) => {
        if (serial_number !== '') {
          presented.set(socket, {
            serial_number,
            fingerprint: serial_number.repeat(2),
            issuer_id: '0'.repeat(16),
            not_before: epoch,
            expires_at: epoch + 1e12,
          })
        }
        httpServer.emit('connection', socket)
      })
      opened.push(listener)
      return listener.port
    },
    sockets: (): Socket[] => opened.flatMap(({ sockets }) => [...sockets]),
    close: async () => {
      await app.close()
      for (const { server, sockets } of opened) {
        server.close()
        for (const socket of sockets) socket.destroy()
      }
    },
  }
}

/** The enrolment application behind plain TCP. */
export const openEnrollApp = async () => {
  const log = pino({ level: 'silent' })
  const { app, httpServer } = await makeEnrollApp({
    plane: { trustBundle: () => trustBundle, verbs: makeFakePlane().verbs },
    log,
    metrics: { answered: () => undefined },
    remoteAddressOf: () => '192.0.2.7',
  })
  const { server, port, sockets } = await listen((socket) => void httpServer.emit('connection', socket))
  return {
    app,
    port,
    close: async () => {
      await app.close()
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

export interface RawAnswer {
  status: number
  headers: Record<string, string>
  body: string
  /** Everything that arrived, until the peer closed or `patience` milliseconds had passed. */
  text: string
  closed: boolean
}

const readAnswer = (text: string, closed: boolean): RawAnswer => {
  const end = text.indexOf('\r\n\r\n')
  const [first = '', ...lines] = text.slice(0, Math.max(0, end)).split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  )
  const length = Number(headers['content-length'] ?? 0)
  const status = Number(first.split(' ')[1] ?? 0)
  return { status, headers, body: text.slice(end + 4, end + 4 + length), text, closed }
}

/** An answer that never begins is waited for so long: a machine may have other work. Milliseconds. */
const longestSilence = 30_000

/**
 * Sends octets as they are and reads one answer, or until the peer closes. What belongs to an answer without a length is
 * over when `patience` milliseconds have passed since its head came.
 */
export const sendRaw = (port: number, bytes: string | Buffer, patience = 2000): Promise<RawAnswer> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    let closed = false
    const finish = () => {
      clearTimeout(timer)
      socket.destroy()
      resolve(readAnswer(text, closed))
    }
    let timer = setTimeout(finish, Math.max(patience, longestSilence))
    let hasHead = false
    socket.on('connect', () => socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes))
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      const answer = text.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '')
      const { headers, body, status } = readAnswer(answer, false)
      const whole = answer.includes('\r\n\r\n') && body.length === Number(headers['content-length'] ?? -1)
      if (status >= 200 && whole && headers['connection'] !== 'close') return finish()
      if (hasHead || status < 200 || !answer.includes('\r\n\r\n')) return
      hasHead = true
      clearTimeout(timer)
      timer = setTimeout(finish, patience)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      closed = true
      finish()
    })
  })

export interface CallOptions {
  headers?: Record<string, string>
  /** Sent as JSON, or as it is when it is text. */
  body?: unknown
  patience?: number
}

/** One well-formed request on a connection of its own. */
export const call = async (port: number, method: string, path: string, options: CallOptions = {}) => {
  const { headers = {}, body, patience } = options
  const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
  const all = {
    host: 'localhost',
    ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  const bytes = Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${text ?? ''}`)
  const answer = await sendRaw(port, bytes, patience)
  const isJson = answer.headers['content-type']?.includes('json') && answer.body !== ''
  return { ...answer, json: isJson ? JSON.parse(Buffer.from(answer.body, 'latin1').toString()) : undefined }
}
