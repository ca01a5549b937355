import { join } from 'node:path'
import { type Disk, FileProblem, fileMode } from './files.ts'
import {
  type Asked,
  type Identity,
  isIdentity,
  makeIdentity,
  readIdentityFile,
  renderAsked,
  renderIdentity,
  serialOf,
} from './identity.ts'
import { versionOf } from './roots.ts'

/**
 * A state directory holds one identity:
 *
 *     identity.pem        key, chain and roots in one file: the one that counts
 *     identity.next.pem   a new key with its request, and then, instead of the request, its certificate
 *     cert.pem key.pem ca.pem    the same as identity.pem, for other programs
 *
 * The last three are links through `.current` into a directory of one generation, so that they change together: at no
 * moment does the key on disk not fit the certificate on disk. The generation before is kept for who is reading it.
 */
export const fileNames = {
  identity: 'identity.pem',
  next: 'identity.next.pem',
  cert: 'cert.pem',
  key: 'key.pem',
  ca: 'ca.pem',
  lock: 'agent.lock',
} as const

const currentLink = '.current'
const generationPrefix = '.generation-'
const views = [fileNames.key, fileNames.cert, fileNames.ca] as const
type View = (typeof views)[number]

export interface Kept {
  current: Identity | undefined
  next: Identity | Asked | undefined
}

export interface StateDirectory {
  readonly path: string
  /** What is there; an identity in cert.pem and key.pem that was issued later than identity.pem is taken over. */
  read(): Promise<Kept>
  /** A new key waits for its certificate. */
  ask(asked: Asked): Promise<void>
  /** The certificate has come. */
  receive(identity: Identity): Promise<void>
  /** What waited counts from now on. */
  promote(): Promise<void>
  /** What waited is forgotten. */
  drop(): Promise<void>
  /** The same identity with other roots, or one that came another way. */
  replace(identity: Identity): Promise<void>
  /** cert.pem, key.pem and ca.pem say what identity.pem says; nothing is written when they do. */
  publish(identity: Identity): Promise<void>
  readFile(name: string): Promise<string | undefined>
  writeFile(name: string, text: string): Promise<void>
}

const textsOf = ({ keyPem, chainPem, rootsPem }: Identity): Record<View, string> => ({
  'key.pem': keyPem,
  'cert.pem': chainPem,
  'ca.pem': rootsPem,
})

const modeOf = (name: View): number => (name === fileNames.key ? fileMode.secret : fileMode.open)

/** Later issued: serial numbers begin with their time. @see RFC 9562 §5.7 */
const isLater = (one: Identity, other: Identity): boolean => serialOf(one) > serialOf(other)

export const openStateDirectory = (path: string, disk: Disk): StateDirectory => {
  const at = (...names: string[]) => join(path, ...names)

  /** An identity that lies in the views; undefined when there is none, or none that fits. */
  const readViews = async (): Promise<Identity | undefined> => {
    const [key, cert, ca] = await Promise.all(views.map((name) => disk.read(at(name))))
    if (key === undefined || cert === undefined) return undefined
    try {
      return makeIdentity(key, `${cert}${ca ?? ''}`, at(fileNames.cert))
    } catch {
      return undefined
    }
  }

  const readOne = async (name: string): Promise<Identity | Asked | undefined> => {
    const text = await disk.read(at(name))
    return text === undefined ? undefined : readIdentityFile(text, at(name))
  }

  const writeGeneration = async (name: string, texts: Partial<Record<View, string>>): Promise<void> => {
    await disk.makeDirectory(at(name))
    for (const view of views) {
      const text = texts[view]
      if (text !== undefined && text !== '' && (await disk.read(at(name, view))) !== text)
        await disk.write(at(name, view), text, modeOf(view))
    }
  }

  const linkViews = async (texts: Partial<Record<View, string>>): Promise<void> => {
    for (const view of views) {
      const target = `${currentLink}/${view}`
      if (texts[view] && (await disk.readLink(at(view))) !== target) await disk.link(target, at(view))
    }
  }

  /** Files that were put there turn into links to the same content, before the content changes. */
  const takeOverFiles = async (): Promise<void> => {
    const links = await Promise.all(views.map((view) => disk.readLink(at(view))))
    if (links.every((link) => link !== undefined)) return
    const texts = Object.fromEntries(
      await Promise.all(views.map(async (view) => [view, (await disk.read(at(view))) ?? ''] as const)),
    ) as Record<View, string>
    if (texts['key.pem'] === '' || texts['cert.pem'] === '') return
    const name = `${generationPrefix}found`
    // A link among them leads to `.current` already, and what it shows is what is written there again.
    await writeGeneration(name, texts)
    await disk.link(name, at(currentLink))
    await linkViews(texts)
  }

  return {
    path,
    read: async () => {
      for (const name of await disk.list(path)) if (name.endsWith('.tmp')) await disk.remove(at(name)).catch(() => {})
      const identity = await readOne(fileNames.identity)
      if (identity !== undefined && !isIdentity(identity))
        throw new FileProblem('unusable', `${at(fileNames.identity)} cannot be used`, 'It holds no certificate.')
      const next = await readOne(fileNames.next).catch((error: unknown) => {
        // Half of a file cannot be there, so somebody else wrote it: nothing of ours is lost with it.
        if (error instanceof FileProblem && error.cause === undefined) return undefined
        throw error
      })
      const shown = await readViews()
      if (shown === undefined || (identity !== undefined && !isLater(shown, identity)))
        return { current: identity, next }
      const current = { ...shown, rootsPem: shown.rootsPem || (identity?.rootsPem ?? '') }
      // A disk that cannot be written is told when something new has to be written.
      await disk.write(at(fileNames.identity), renderIdentity(current), fileMode.secret).catch(() => {})
      return { current, next }
    },
    ask: (asked) => disk.write(at(fileNames.next), renderAsked(asked), fileMode.secret),
    receive: (identity) => disk.write(at(fileNames.next), renderIdentity(identity), fileMode.secret),
    promote: () => disk.move(at(fileNames.next), at(fileNames.identity)),
    drop: () => disk.remove(at(fileNames.next)),
    replace: (identity) => disk.write(at(fileNames.identity), renderIdentity(identity), fileMode.secret),
    publish: async (identity) => {
      const texts = textsOf(identity)
      const name = `${generationPrefix}${serialOf(identity)}-${versionOf(identity.rootsPem)}`
      await takeOverFiles()
      const before = await disk.readLink(at(currentLink))
      await writeGeneration(name, texts)
      if (before !== name) await disk.link(name, at(currentLink))
      await linkViews(texts)
      for (const other of await disk.list(path))
        if (other.startsWith(generationPrefix) && other !== name && other !== before) await disk.remove(at(other))
    },
    readFile: (name) => disk.read(at(name)),
    writeFile: (name, text) => disk.write(at(name), text, fileMode.secret),
  }
}
