import { second, withinTime } from '../core/time.ts'
import type { ObjectStore } from './object-store.ts'

export interface S3ObjectStoreOptions {
  bucket: string
  /** Otherwise the standard AWS variables and their endpoints. */
  endpoint?: string
  region?: string
  credentials?: { accessKeyId: string; secretAccessKey: string }
  /** For one call with all its tries, milliseconds. */
  budget?: number
}

const usualBudget = 10 * second

const lockModes = { compliance: 'COMPLIANCE', governance: 'GOVERNANCE' } as const

/** A bucket in S3; the SDK is loaded at the first call. */
export const makeS3ObjectStore = ({
  bucket: Bucket,
  endpoint,
  budget = usualBudget,
  ...client
}: S3ObjectStoreOptions): ObjectStore => {
  const load = async () => {
    const sdk = await import('@aws-sdk/client-s3')
    // Emulators and endpoints of one's own have no host for each bucket.
    const own = endpoint === undefined ? {} : { endpoint, forcePathStyle: true }
    const pathStyle =
      process.env['AWS_ENDPOINT_URL_S3'] || process.env['AWS_ENDPOINT_URL'] ? { forcePathStyle: true } : {}
    return { sdk, s3: new sdk.S3Client({ ...pathStyle, ...own, ...client, maxAttempts: 3 }) }
  }
  let loaded: ReturnType<typeof load> | undefined
  const open = () => {
    loaded ??= load().catch((error) => {
      loaded = undefined
      throw error
    })
    return loaded
  }

  return {
    put: async (Key, body, { contentType, lock }) => {
      const { sdk, s3 } = await open()
      const command = new sdk.PutObjectCommand({
        Bucket,
        Key,
        Body: body,
        ContentType: contentType,
        // S3 takes no object with a lock but with a checksum of it.
        ChecksumAlgorithm: 'SHA256',
        ...(lock && {
          ObjectLockMode: lockModes[lock.mode],
          ObjectLockRetainUntilDate: new Date(lock.until),
        }),
      })
      return (await withinTime(budget, (abortSignal) => s3.send(command, { abortSignal }))).VersionId
    },
    get: async (Key) => {
      const { sdk, s3 } = await open()
      return withinTime(budget, async (abortSignal) => {
        try {
          const { Body } = await s3.send(new sdk.GetObjectCommand({ Bucket, Key }), { abortSignal })
          return Body === undefined ? undefined : Buffer.from(await Body.transformToByteArray())
        } catch (error) {
          if ((error as Error).name === 'NoSuchKey') return undefined
          throw error
        }
      })
    },
  }
}
