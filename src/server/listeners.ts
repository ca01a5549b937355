import type { AddressInfo, Server } from 'node:net'
import { addressText, type ListenAddress } from './values.ts'

export const listenerNames = ['mtls', 'enroll', 'health', 'pki', 'metrics'] as const
export type ListenerName = (typeof listenerNames)[number]

/** Real addresses as text, by the name of the flag: what `server_ready` states. */
export type Addresses = Partial<Record<`${ListenerName}_listen`, string>>

/** Why a port could not be opened. */
export class ListenProblem extends Error {
  readonly listener: ListenerName
  readonly code: string

  constructor(listener: ListenerName, address: ListenAddress, cause: NodeJS.ErrnoException) {
    super(`--${listener}-listen ${addressText(address)} cannot be opened: ${cause.code ?? cause.message}`, { cause })
    this.name = 'ListenProblem'
    this.listener = listener
    this.code = cause.code ?? 'unknown'
  }
}

/** Connections that wait for `accept`: a fleet coming back must not be refused by the kernel's default of 511. */
const backlog = 4096

const listen = (server: Server, { host, port }: ListenAddress): Promise<AddressInfo> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, backlog }, () => {
      server.off('error', reject)
      resolve(server.address() as AddressInfo)
    })
  })

export interface Opening {
  name: ListenerName
  server: Server
  address: ListenAddress
}

/**
 * Opens ports one after the other, so that workers that share them ask in the same order and port 0 means the same to
 * each. Throws ListenProblem, and then none is left open.
 */
export const openListeners = async (openings: Opening[]): Promise<Addresses> => {
  const addresses: Addresses = {}
  const open: Server[] = []
  for (const { name, server, address } of openings) {
    try {
      const { address: host, port } = await listen(server, address)
      addresses[`${name}_listen`] = addressText({ host, port })
      open.push(server)
    } catch (error) {
      for (const opened of open) opened.close()
      throw new ListenProblem(name, address, error as NodeJS.ErrnoException)
    }
  }
  return addresses
}
