/** What an `Idempotency-Key` may be: 1 to 128 printable ASCII characters, no space at either end. */
export const idempotencyKeyPattern = '^[!-~]([ -~]{0,126}[!-~])?$'

/** What `If-Match` may be: a quoted version, or `*` for no condition. */
export const ifMatchPattern = '^([*]|"[0-9]{1,15}")$'

/** The entity tag of a record's version. */
export const versionTag = (version: number): string => `"${version}"`

/** The version that an `If-Match` of the right form names; undefined for `*`. */
export const versionOfTag = (tag: string): number | undefined => (tag === '*' ? undefined : Number(tag.slice(1, -1)))
