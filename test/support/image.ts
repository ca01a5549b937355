import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  globSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs'
import { basename, join, relative, resolve } from 'node:path'
import { expand, pairsOf, readDockerfile } from './dockerfile.ts'

const repository = resolve(import.meta.dirname, '../..')

/** What docker/Dockerfile makes, as a folder instead of layers. */
export interface BuiltImage {
  /** The files that its last stage adds to its base. */
  root: string
  env: Record<string, string>
  labels: Record<string, string>
  user: string
  workdir: string
  entrypoint: string[]
  command: string[]
  healthcheck: string[]
}

/** That npm could not reach a registry, which says nothing about the Dockerfile. */
export class NoRegistry extends Error {}

/** Paths that .dockerignore lets into the build; it is a list of what is allowed. */
export const buildContext = (): string[] => {
  const lines = readFileSync(join(repository, '.dockerignore'), 'utf8').split('\n')
  const allowed = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1))
  return allowed.flatMap((path) =>
    statSync(join(repository, path)).isDirectory()
      ? globSync(`${path}/**/*`, { cwd: repository }).filter((file) => statSync(join(repository, file)).isFile())
      : [path],
  )
}

/** A process environment without the npm, and the settings, around this test. */
const plainEnv = (path: string): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(package|lifecycle|config_local)|^NODE_OPTIONS$/.test(name)),
  ),
  PATH: path,
  BUILD_WITHOUT_CHECK: '1',
  npm_config_prefer_offline: 'true',
  npm_config_fetch_retries: '1',
  npm_config_fetch_timeout: '20000',
})

const runStep = async (text: string, cwd: string, path: string): Promise<void> => {
  const child = spawn('sh', ['-ec', text], { cwd, env: plainEnv(path), stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part) => {
      said += part
    })
  const [code] = await once(child, 'close')
  if (code === 0) return
  if (/ENOTCACHED|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH/.test(said))
    throw new NoRegistry('npm reaches no registry')
  throw new Error(`RUN ${text}\nends with ${code}:\n${said.slice(-2000)}`)
}

/** A file, or what of a folder .dockerignore lets in; to `into`. */
const copyOfContext = (context: string[], path: string, into: string): void => {
  const files = context.filter((file) => file === path || file.startsWith(`${path}/`))
  if (files.length === 0) throw new Error(`COPY ${path}: .dockerignore keeps it out`)
  for (const file of files) cpSync(join(repository, file), join(into, file.slice(path.length)))
}

/** Turns links that lead to a place below `root` into relative ones: they hold wherever the folder is mounted. */
const relativeLinks = (root: string, folder: string): void => {
  for (const name of readdirSync(join(root, folder))) {
    const link = join(root, folder, name)
    if (!lstatSync(link).isSymbolicLink()) continue
    const target = readlinkSync(link)
    if (!target.startsWith(root)) continue
    unlinkSync(link)
    symlinkSync(relative(join(root, folder), target), link)
  }
}

/** Absolute paths of the image, inside the folder that stands for it. */
const inside = (root: string, text: string): string =>
  text.replace(/(?<=\s)\/(?=(?:app|etc|opt|usr|var)\/)/g, `${root}/`)

/**
 * Carries out docker/Dockerfile below `folder`, without an engine: each stage is a folder on top of this machine, whose Node
 * stands for the base image's. Its RUN lines run as they are written, except that absolute paths lead into the folder.
 * A stage in `packages` takes the node_modules that it names instead of installing its own, which takes a minute.
 */
export const buildImage = async (
  folder: string,
  { buildArgs = {}, packages = {} }: { buildArgs?: Record<string, string>; packages?: Record<string, string> } = {},
): Promise<BuiltImage> => {
  const { args, stages } = readDockerfile(join(repository, 'docker/Dockerfile'))
  const context = buildContext()
  const roots = new Map<string, string>()
  const image: BuiltImage = {
    root: '',
    env: {},
    labels: {},
    user: '',
    workdir: '/',
    entrypoint: [],
    command: [],
    healthcheck: [],
  }
  for (const [index, stage] of stages.entries()) {
    const root = join(folder, stage.name || 'image')
    roots.set(stage.name, root)
    mkdirSync(join(root, 'usr/local/bin'), { recursive: true })
    copyFileSync(process.execPath, join(root, 'usr/local/bin/node'))
    const values = { ...args }
    let workdir = '/'
    const steps: Record<string, (text: string) => Promise<void> | void> = {
      WORKDIR: (text) => {
        workdir = text
        mkdirSync(join(root, text), { recursive: true })
      },
      COPY: (text) => {
        const [, from, paths = ''] = /^(?:--from=(\S+) )?(.*)$/.exec(text) ?? []
        const words = paths.split(/\s+/)
        const target = words.pop() ?? ''
        for (const word of words) {
          const into = join(root, resolve(workdir, target), target.endsWith('/') ? basename(word) : '')
          if (from === undefined) copyOfContext(context, word, into)
          else cpSync(join(roots.get(from) ?? '', word), into, { recursive: true, verbatimSymlinks: true })
        }
      },
      RUN: async (text) => {
        const given = packages[stage.name]
        if (given !== undefined && text.startsWith('npm ci '))
          return symlinkSync(given, join(root, workdir, 'node_modules'))
        // Only root may give files away.
        const own = process.getuid?.() === 0 ? text : text.replace('-o 65532 -g 65532 ', '')
        for (const path of ['etc', 'var/lib', 'opt']) mkdirSync(join(root, path), { recursive: true })
        await runStep(inside(root, own), join(root, workdir), `${root}/usr/local/bin:${process.env['PATH']}`)
        relativeLinks(root, 'usr/local/bin')
      },
      ARG: (text) => {
        Object.assign(
          values,
          pairsOf(text),
          Object.fromEntries(Object.entries(buildArgs).filter(([name]) => text.startsWith(`${name}=`))),
        )
      },
      ENV: (text) => void Object.assign(image.env, pairsOf(expand(text, values))),
      LABEL: (text) => void Object.assign(image.labels, pairsOf(expand(text, values))),
      USER: (text) => {
        image.user = text
      },
      ENTRYPOINT: (text) => {
        image.entrypoint = JSON.parse(text)
      },
      CMD: (text) => {
        image.command = JSON.parse(text)
      },
      HEALTHCHECK: (text) => {
        image.healthcheck = JSON.parse(text.slice(text.indexOf('CMD ') + 4))
      },
      EXPOSE: () => {},
      STOPSIGNAL: () => {},
    }
    for (const { name, text } of stage.instructions) {
      const step = steps[name]
      if (step === undefined) throw new Error(`Dockerfile: nobody here knows ${name}`)
      await step(text)
    }
    if (index === stages.length - 1) Object.assign(image, { root, workdir })
  }
  chmodSync(image.root, 0o755)
  return image
}
