import { encode, objectIdentifier, sequence, tag, utf8String } from './der-encode.ts'
import { oid } from './oids.ts'

/** ub-common-name. @see RFC 5280 appendix A.1 */
const longestCommonName = 64

const emptyName = sequence()
const commonNameType = objectIdentifier(oid.commonName)

/** A Name of one CN as UTF8String; of none when the text is over 64 characters long, which the CN may not be. */
export const nameOf = (commonName: string): Buffer =>
  fitsCommonName(commonName)
    ? sequence(encode(tag.set, sequence(commonNameType, utf8String(commonName))))
    : Buffer.from(emptyName)

/** False when a subject must stay empty, and its SAN turn critical. @see RFC 5280 §4.1.2.6 */
export const fitsCommonName = (text: string): boolean => text.length <= longestCommonName
