/** Until `until` (Unix ms) nobody can delete or replace a version; in mode governance, nobody without a right to that. */
export interface Lock {
  mode: 'compliance' | 'governance'
  until: number
}

/** What is kept outside the tables: a bucket, as far as the server needs one. Rejects when the bucket does not do it. */
export interface ObjectStore {
  /** Writes one object; the id of its version when the bucket keeps versions. */
  put(key: string, body: Buffer, options: { contentType: string; lock?: Lock }): Promise<string | undefined>
  /** Undefined when there is none. */
  get(key: string): Promise<Buffer | undefined>
}
