import type { RevocationReason } from './certificate.ts'

/** Which certificates a mass revocation is about; every field that is there must hold. */
export interface RevocationFilter {
  principal_id?: string
  issuer_id?: string
  /** Unix milliseconds. */
  issued_before?: number
}

/** A mass revocation. Times in Unix milliseconds. */
export interface RevocationRecord {
  revocation_id: string
  state: 'pending' | 'running' | 'completed'
  filter: RevocationFilter
  reason: RevocationReason
  dry_run: boolean
  created_at: number
  created_by: string
  /** The caller's own certificate, never revoked by this. */
  spared_serial: string
  /** Its lineage: what the caller renews it to meanwhile is not revoked either. */
  spared_lineage: string
  request_id: string
  remote_address: string
  matched: number
  revoked: number
  /** When nothing was found any more for the first time. */
  quiet_at?: number
  /** When nothing can come any more. */
  completed_at?: number
  lease_owner?: string
  lease_until?: number
}
