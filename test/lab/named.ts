import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { access, constants, copyFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { namedConfiguration, zoneFile, zoneText, type Zone } from './named-configuration.ts'
import { folderOf, removeAddress, sweepStaleNamed, takeFolder } from './named-leftovers.ts'

export type { Zone } from './named-configuration.ts'

const run = promisify(execFile)
const binary = '/usr/sbin/named'

/** Why no name server can be started here, or undefined when one can. */
export async function namedMissing(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'a name server needs root on Linux'
  for (const tool of [binary, '/usr/bin/nsupdate', '/usr/bin/dig', '/usr/bin/setpriv']) {
    const found = await access(tool, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (!found) return `${tool} is missing: apt-get install bind9 bind9-dnsutils`
  }
  return undefined
}

export interface TsigKey {
  readonly name: string
  readonly algorithm: 'hmac-sha256' | 'hmac-sha384' | 'hmac-sha512'
  readonly secret: string
}

export interface NamedOptions {
  /** By zone name, without the last dot. Names outside all zones do not exist: the root is served, too. */
  readonly zones: Readonly<Record<string, Zone>>
  /** A free address of 127.77.0.0/16 unless given; it is put on lo and taken away again. */
  readonly address?: string
  /** Put on lo as well when given, and listened on. */
  readonly address6?: string
  /** 53 unless given: authoritative servers are always asked there. */
  readonly port?: number
  /** More keys that may update; `tsig` of the server is always one. */
  readonly keys?: readonly TsigKey[]
  /** Serve no root zone and no recursion: names outside the zones are refused. */
  readonly zonesOnly?: true
  /** More lines for named's `options { }`. */
  readonly options?: string
  /** Validate DNSSEC from these, as named's `trust-anchors { }` has them. */
  readonly trustAnchors?: string
  /** Prefix of named's own command line, as `['faketime', '-f', '+1h']`. */
  readonly under?: readonly string[]
}

/** A real bind9, authoritative for its zones and recursive for whoever takes it for the whole DNS. */
export interface Named extends AsyncDisposable {
  readonly address: string
  readonly port: number
  /** May update every primary zone. */
  readonly tsig: TsigKey
  readonly pid: number
  /** TXT values at a name, each joined from its strings, sorted; empty when there are none. */
  txt(name: string): Promise<string[]>
  /** All records of a zone but SOA and its signatures, one a line, sorted. */
  dump(zone: string): Promise<string[]>
  /** nsupdate commands without `server` and `send`, as `update add a.example 60 A 192.0.2.1`. */
  update(...commands: readonly string[]): Promise<void>
  /** Stops answering without closing the port, until `thaw`. */
  freeze(): void
  thaw(): void
  /** What named has logged so far. */
  log(): string
}

/** Starts named and resolves when it answers. Leftovers of killed runs are removed first. */
export async function startNamed(options: NamedOptions): Promise<Named> {
  const missing = await namedMissing()
  if (missing) throw new Error(missing)
  await sweepStaleNamed()
  const address = await takeAddress(options.address)
  const folder = folderOf(address)
  const tsig: TsigKey = {
    name: 'certs-lab',
    algorithm: 'hmac-sha256',
    secret: randomBytes(32).toString('base64'),
  }
  const port = options.port ?? 53
  const addresses = options.address6 ? [address, options.address6] : [address]
  let child: ChildProcess | undefined

  async function dispose(): Promise<void> {
    if (child && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    }
    for (const each of addresses) await removeAddress(each)
    await rm(folder, { recursive: true, force: true })
  }

  try {
    await writeFile(join(folder, 'addresses'), addresses.join('\n'))
    for (const each of addresses) await addAddress(each)
    // A copy by our own path: Debian's AppArmor profile binds /usr/sbin/named to /etc/bind and /var.
    await copyFile(binary, join(folder, 'named'))
    const zones: Record<string, Zone> = { ...(options.zonesOnly ? {} : { '.': {} }), ...options.zones }
    for (const [name, zone] of Object.entries(zones)) {
      if (!zone.secondary)
        await writeFile(join(folder, zoneFile(name)), zone.text ?? zoneText(name, zone, address))
    }
    const keys = [tsig, ...(options.keys ?? [])]
    const settings = {
      folder,
      address,
      address6: options.address6,
      port,
      keys,
      zones,
      more: options.options,
      trustAnchors: options.trustAnchors,
      recursion: !options.zonesOnly,
    }
    await writeFile(join(folder, 'named.conf'), namedConfiguration(settings), { mode: 0o600 })
    const started = await start(folder, options.under ?? [])
    child = started.child
    return serverOf({ address, port, tsig, child, log: started.log, dispose })
  } catch (error) {
    await dispose()
    throw error
  }
}

function serverOf(server: {
  address: string
  port: number
  tsig: TsigKey
  child: ChildProcess
  log: () => string
  dispose: () => Promise<void>
}): Named {
  const { address, port, tsig, child } = server
  const dig = async (...query: string[]): Promise<string> =>
    (await run('dig', [`@${address}`, '-p', `${port}`, '+time=2', '+tries=2', ...query])).stdout
  return {
    address,
    port,
    tsig,
    pid: child.pid ?? 0,
    async txt(name) {
      const answer = await dig('+short', '+norecurse', name, 'TXT')
      const lines = answer.split('\n').filter((line) => line.startsWith('"'))
      return lines.map((line) => line.slice(1, -1).replaceAll('" "', '')).toSorted()
    },
    async dump(zone) {
      const answer = await dig('+noall', '+answer', '+onesoa', zone, 'AXFR')
      const lines = answer.split('\n').filter((line) => line !== '' && !line.startsWith(';'))
      return lines
        .map((line) => line.replaceAll(/\s+/g, ' '))
        .filter((line) => line.split(' ')[3] !== 'SOA')
        .toSorted()
    },
    async update(...commands) {
      const lines = [`server ${address} ${port}`, `key ${tsig.algorithm}:${tsig.name} ${tsig.secret}`]
      const nsupdate = run('nsupdate', ['-v'])
      nsupdate.child.stdin?.end([...lines, ...commands, 'send', ''].join('\n'))
      await nsupdate
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    log: server.log,
    [Symbol.asyncDispose]: server.dispose,
  }
}

async function start(
  folder: string,
  under: readonly string[],
): Promise<{ child: ChildProcess; log: () => string }> {
  // named ends with whoever started it, however that ends.
  const line = [...under, join(folder, 'named'), '-g', '-n', '1', '-c', join(folder, 'named.conf')]
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...line], { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  const running = new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-200_000)
      if (/not loaded due to errors|loading from master file \S+ failed/.test(log))
        reject(new Error(`a zone is broken:\n${log.slice(-3000)}`))
      if (/ running$/m.test(log)) resolve()
    })
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`named ended with ${code}:\n${log.slice(-3000)}`)))
  })
  try {
    await running
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
  return { child, log: () => log }
}

async function takeAddress(wanted: string | undefined): Promise<string> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const address = wanted ?? `127.77.${randomInt(1, 255)}.${randomInt(1, 255)}`
    if (await takeFolder(address)) return address
    if (wanted) throw new Error(`${wanted} is used by another name server of the lab`)
  }
  throw new Error('no free address in 127.77.0.0/16')
}

/** Success when it is there already: a killed run may have left a fixed one. */
async function addAddress(address: string): Promise<void> {
  const prefix = address.includes(':') ? [`${address}/128`, 'nodad'] : [`${address}/32`]
  await run('ip', ['addr', 'replace', ...prefix, 'dev', 'lo'])
}
