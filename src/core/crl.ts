/** The newest list of an issuer, as the store keeps it: all but its octets. Times in Unix milliseconds. */
export interface CrlHead {
  issuer_id: string
  number: number
  /** Names the chunks, so that what two builders write is never mixed. */
  build_id: string
  this_update: number
  next_update: number
  /** When its builder began to read, to the millisecond: what was committed before is on it. */
  read_at: number
  /** When the next supersession counts. */
  next_due?: number
  /** The last one of an issuer that was removed. */
  final: boolean
  entries: number
  chunks: number
  /** Octets. */
  size: number
  /** Of the whole list, lower-case hex digits. */
  sha256: string
  /** How long reading and encoding took, milliseconds. */
  build_ms: number
}
