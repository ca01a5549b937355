import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Admitted, Presented, Source } from '../../auth/caller.ts'
import { isControlError } from '../../core/errors.ts'
import type { PrincipalType } from '../../core/principal.ts'
import type { Denial } from '../denial-log.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is calling; set once the registry has let them in, and never by anything in the request. */
    caller: Admitted
    remoteAddress: string
  }
}

/** Of an open event stream: tells the peer to come back later, and ends it. */
export interface OpenStream {
  reconnect(afterSeconds: number): void
}

/** What the applications ask of the registry of connections. */
export interface Connections {
  /** What the peer showed in its handshake; undefined when there was nothing to let in. */
  presentedOf(socket: Socket): Presented | undefined
  identify(socket: Socket, principalId: string, type: PrincipalType): void
  setStream(socket: Socket, stream: OpenStream): void
}

export interface AdmissionMetrics {
  /** `result` is `admitted` or the code of the refusal. */
  admission(result: string, type: string): void
}

export interface AdmissionDeps {
  admit(presented: Presented, source: Source): Promise<Admitted>
  connections: Connections
  remoteAddressOf(socket: Socket): string
  metrics: AdmissionMetrics
  /** Logs a refusal. */
  denied(denial: Denial): void
}

/** Lets in, by the registry, whoever may come in: each request anew, those included that no route answers. */
export const admitCallers = (app: FastifyInstance, deps: AdmissionDeps): void => {
  const { connections, metrics } = deps
  app.decorateRequest('caller')
  app.decorateRequest('remoteAddress', '')
  app.addHook('onRequest', (request, reply, done) => {
    const { socket } = request.raw
    const presented = connections.presentedOf(socket)
    if (presented === undefined) {
      // Not even an answer: such a peer should never have come this far.
      reply.hijack()
      socket.destroy()
      return
    }
    request.remoteAddress = deps.remoteAddressOf(socket)
    deps.admit(presented, { remote_address: request.remoteAddress, request_id: request.id }).then(
      (caller) => {
        const { principal_id, type } = caller.principal
        request.caller = caller
        connections.identify(socket, principal_id, type)
        metrics.admission('admitted', type)
        done()
      },
      (error: Error) => {
        const code = isControlError(error) ? error.code : 'internal_error'
        metrics.admission(code, presented.claimed?.principal_type ?? 'unknown')
        deps.denied({ code, serial_number: presented.serial_number, remote_address: request.remoteAddress })
        done(error)
      },
    )
  })
}
