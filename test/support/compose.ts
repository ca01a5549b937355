import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parse } from 'yaml'
import type { BuiltImage } from './image.ts'

const folder = resolve(import.meta.dirname, '../../docker')
const script = resolve(import.meta.dirname, 'container.sh')
/** Whatever becomes of the test, nothing outlives it. */
const dying = ['--pdeathsig', 'KILL', '--']

/** A service of docker/compose.yaml, as far as anything here looks at it. */
export interface Service {
  image: string
  user: string
  command: string[]
  environment?: Record<string, string>
  volumes?: string[]
  tmpfs?: string[]
  sysctls?: Record<string, number>
  read_only?: boolean
  cap_drop?: string[]
  security_opt?: string[]
  networks: string[] | Record<string, { ipv4_address?: string; aliases?: string[] }>
  depends_on?: Record<string, { condition: string }>
  healthcheck?: { test: string[] }
  profiles?: string[]
  ports?: string[]
  restart?: string
  pids_limit?: number
  mem_limit?: string
}

export interface ComposeFile {
  services: Record<string, Service>
  volumes: Record<string, unknown>
  networks: Record<string, { ipam: { config: { subnet: string }[] } }>
}

/** docker/compose.yaml with its anchors and merges resolved. */
export const readComposeFile = (): ComposeFile =>
  parse(readFileSync(join(folder, 'compose.yaml'), 'utf8'), { merge: true }) as ComposeFile

/** Why no containers can be made here with nothing but the kernel; undefined when they can. */
export const noContainers = (): string | undefined => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs Linux and root, to make namespaces'
  const tools = ['unshare', 'nsenter', 'setpriv', 'chroot', 'ip', 'mount', 'haproxy', 'wget', 'curl']
  const missing = tools.filter((tool) => spawnSync('which', [tool]).status !== 0)
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`
  const trial = `
    folder=$(mktemp -d) && mount -t tmpfs none "$folder" && cd "$folder" && mkdir upper work root &&
    mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" root &&
    ip link add name bridge0 type bridge && ip link add name veth0 type veth peer name veth1
    code=$?; cd / && umount --recursive "$folder" && rmdir "$folder"; exit $code`
  const { status, stderr } = spawnSync('unshare', ['--mount', '--net', '--propagation', 'private', 'sh', '-c', trial])
  return status === 0 ? undefined : `no namespaces, overlay or veth here: ${String(stderr).trim()}`
}

export interface Container {
  child: ChildProcess
  ended: Promise<{ code: number | null; output: string }>
  output(): string
  /** Runs a command in it, as its user. */
  exec(command: string[]): { code: number | null; output: string }
  /** Sends a signal to its first process. */
  kill(signal: NodeJS.Signals): void
}

export interface ComposeOptions {
  image: BuiltImage
  /** Where volumes and such are kept, and nothing is left running from. */
  scratch: string
  /** Commands and health checks for services whose image cannot be had. */
  /** `program`: a file of this machine, which is there as `/usr/local/bin/stand-in`. */
  standIns: Record<string, { program: string; command: string[]; healthcheck?: string[] }>
}

/** Runs services of docker/compose.yaml with the kernel's own means: namespaces, an overlay, a bridge. */
export const startCompose = async ({ image, scratch, standIns }: ComposeOptions) => {
  const file = readComposeFile()
  const names = Object.keys(file.services)
  const chooseAddress = (name: string, index: number): string => {
    const { networks } = file.services[name] as Service
    return (!Array.isArray(networks) && networks['plane']?.ipv4_address) || `10.213.7.${100 + index}`
  }
  const addresses = new Map(names.map((name, index) => [name, chooseAddress(name, index)]))
  const hosts = join(scratch, 'hosts')
  const aliasesOf = ({ networks }: Service) => (Array.isArray(networks) ? [] : (networks['plane']?.aliases ?? []))
  const lines = names.map((name) => [addresses.get(name), name, ...aliasesOf(file.services[name] as Service)].join(' '))
  writeFileSync(hosts, `127.0.0.1 localhost\n${lines.join('\n')}\n`)

  const network = spawn('setpriv', [
    ...dying,
    'unshare',
    '--net',
    'sh',
    '-c',
    'ip link add name plane type bridge && ip link set plane up && echo up && exec sleep 600',
  ])
  await once(network.stdout, 'data')
  const containers = new Map<string, Container>()

  const volumesOf = (name: string): string =>
    (file.services[name]?.volumes ?? [])
      .map((volume) => {
        const [source = '', target = '', mode = 'rw'] = volume.split(':')
        if (source.startsWith('.')) return `${resolve(folder, source)} ${target} ${mode}`
        const path = join(scratch, 'volumes', source)
        // As an engine does with an empty volume: what the image has in that place, with its owner and mode.
        if (!existsSync(path)) {
          mkdirSync(join(scratch, 'volumes'), { recursive: true })
          if (spawnSync('cp', ['-a', join(image.root, target), path]).status !== 0)
            cpSync(join(image.root, target), path)
        }
        return `${path} ${target} ${mode}`
      })
      .map((line) => `${line}\n`)
      .join('')

  const start = (name: string, command?: string[]): Container => {
    const service = file.services[name] as Service
    const own = service.image.startsWith('airunner')
    const here = join(scratch, 'containers', `${name}-${containers.size}`)
    mkdirSync(join(here, 'root'), { recursive: true })
    const standIn = standIns[name] === undefined ? '' : `${standIns[name].program} /usr/local/bin/stand-in ro\n`
    writeFileSync(join(here, 'volumes'), volumesOf(name) + standIn)
    const environment = {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      ...(own ? image.env : {}),
      ...service.environment,
    }
    const program = command ?? standIns[name]?.command ?? service.command
    const inside = [...Object.entries(environment).map(([key, value]) => `${key}=${value}`), ...program]
    const namespaces = [
      '--mount',
      '--pid',
      '--net',
      '--uts',
      '--ipc',
      '--fork',
      '--kill-child',
      '--propagation',
      'private',
    ]
    const child = spawn('setpriv', [...dying, 'unshare', ...namespaces, script, ...inside], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        SCRATCH: join(here, 'root'),
        IMAGE: image.root,
        IMAGE_FOLDERS: own ? '/app /usr/local/bin /var/lib/airunner /etc/airunner' : '',
        HOSTS: hosts,
        VOLUMES: join(here, 'volumes'),
        TMPFS: (service.tmpfs ?? []).map((entry) => entry.split(':')[0]).join(' '),
        READ_ONLY: String(service.read_only === true),
        ADDRESS: addresses.get(name),
        SYSCTLS: Object.entries(service.sysctls ?? {})
          .map((entry) => entry.join('='))
          .join(' '),
        UID_GID: service.user.split(':')[0],
        WORKDIR: own ? image.workdir : '/',
      },
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => {
        output += text
      })
    const link = `v${containers.size}`
    const plug = `until ip link add name ${link} type veth peer name eth0 netns ${child.pid} 2>/dev/null; do sleep 0.05; kill -0 ${child.pid} || exit 1; done; ip link set ${link} master plane up`
    spawn('nsenter', ['--target', String(network.pid), '--net', 'sh', '-c', plug])
    /** Of the container's first process, seen from here. */
    const pid = () => {
      if (child.exitCode !== null) throw new Error(`${name} has ended:\n${output}`)
      return readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim()
    }
    const container: Container = {
      child,
      output: () => output,
      ended: once(child, 'close').then(([code]) => ({ code, output })),
      kill: (signal) => void process.kill(Number(pid()), signal),
      exec: (words) => {
        const user = service.user.split(':')[0] as string
        const enter = ['--target', pid(), '--all', '--root', '--wd', 'setpriv', '--reuid', user, '--regid', user]
        const drop = ['--clear-groups', '--no-new-privs', '--bounding-set=-all', '--inh-caps=-all', 'env', '-i']
        const variables = Object.entries(environment).map(([key, value]) => `${key}=${value}`)
        const done = spawnSync('nsenter', [...enter, ...drop, ...variables, ...words], {
          encoding: 'utf8',
          timeout: 10_000,
        })
        return { code: done.status, output: `${done.stdout}${done.stderr}` }
      },
    }
    containers.set(name, container)
    return container
  }

  const check = (name: string): { code: number | null; output: string } => {
    const [kind, ...words] = standIns[name]?.healthcheck ?? file.services[name]?.healthcheck?.test ?? []
    const command = kind === 'CMD-SHELL' ? ['sh', '-c', (words[0] ?? '').replaceAll('$$', '$')] : words
    return (containers.get(name) as Container).exec(command)
  }
  const healthy = async (name: string): Promise<void> => {
    const container = containers.get(name) as Container
    for (let tries = 0; tries < 120; tries++) {
      if (check(name).code === 0) return
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
    throw new Error(`${name} is not healthy: ${check(name).output}\n${container.output()}`)
  }

  /** Starts a service after those that it depends on have come to what it asks of them. */
  const up = async (name: string): Promise<Container> => {
    const there = containers.get(name)
    if (there !== undefined) return there
    for (const [dependency, { condition }] of Object.entries(file.services[name]?.depends_on ?? {})) {
      const container = await up(dependency)
      if (condition === 'service_healthy') await healthy(dependency)
      else if (condition === 'service_completed_successfully') {
        const { code, output } = await container.ended
        if (code !== 0) throw new Error(`${dependency} ends with ${code}:\n${output}`)
      }
    }
    return start(name)
  }

  const down = async (): Promise<void> => {
    const running = [...containers.values()].filter(({ child }) => child.exitCode === null && child.signalCode === null)
    for (const { child } of running) child.kill('SIGKILL')
    await Promise.all(running.map(({ ended }) => ended))
    network.kill('SIGKILL')
    await once(network, 'close')
  }
  /** Runs a command in a new container of a service, to its end: `docker compose run`. */
  const run = (name: string, command: string[]) => start(name, command).ended
  return { up, run, check, healthy, down, addressOf: (name: string) => addresses.get(name) }
}
