import { globMatches } from './glob.ts'

/** One file of nginx's configuration, with those directives that matter for certificates, in order. */
export interface ConfigurationFile {
  readonly path: string
  readonly directives: readonly Directive[]
}

/** Lines are those of the file. Words are as they stand there, quotes and backslashes included. */
export type Directive =
  | { readonly kind: 'open'; readonly line: number; readonly name: string }
  | { readonly kind: 'shut' }
  | { readonly kind: 'set'; readonly line: number; readonly words: readonly string[] }

export interface Place {
  readonly file: string
  readonly line: number
}

/** A file that nginx is told to use; a path with `$` in it is known only when a handshake comes. */
export interface NamedFile extends Place {
  readonly directive: string
  readonly path: string
}

/** One `server` that speaks TLS. */
export interface TlsServer extends Place {
  readonly module: 'http' | 'stream' | 'mail'
  /** As written, lower case: `_`, `*.example.com` and `~regex` among them; empty when none is. */
  readonly names: readonly string[]
  /** It answers where no other server's name fits. */
  readonly isDefault: boolean
  /** In the order of the configuration, its own or what it inherits; the nth key belongs to the nth certificate. */
  readonly certificates: readonly NamedFile[]
  readonly keys: readonly NamedFile[]
}

export interface NginxUse {
  readonly servers: readonly TlsServer[]
  /** Names of servers without TLS, too. */
  readonly names: readonly { readonly name: string; readonly at: Place }[]
  /** Every file of certificates or keys that is named anywhere, those of upstreams and of clients' CAs too. */
  readonly files: readonly NamedFile[]
}

interface Context {
  readonly kind: string
  readonly at: Place
  readonly parent: Context | undefined
  readonly names: string[]
  readonly listens: { readonly address: string; readonly tls: boolean; readonly isDefault: boolean }[]
  readonly certificates: NamedFile[]
  readonly keys: NamedFile[]
  tls: boolean
}

/** Puts the files together as nginx does: includes where they stand, what a server does not say from around it. */
export function readNginxUse(files: readonly ConfigurationFile[]): NginxUse {
  const [main] = files
  if (!main) return { servers: [], names: [], files: [] }
  const folder = main.path.replace(/[^/]*$/, '')
  const walk: Walk = { files, folder, servers: [], named: [], left: mostIncludes }
  enter(main, newContext('main', { file: main.path, line: 1 }, undefined), walk, 0)
  const { servers, named } = walk
  const shared = new Set(
    servers.flatMap(({ listens }) => listens.flatMap((one) => (one.tls ? one.address : []))),
  )
  return {
    servers: servers.flatMap((server) => (speaksTls(server, shared) ? [tlsServer(server)] : [])),
    names: servers.flatMap(({ names, at }) => names.map((name) => ({ name, at }))),
    files: named,
  }
}

interface Walk {
  readonly files: readonly ConfigurationFile[]
  /** Where relative paths begin. */
  readonly folder: string
  readonly servers: Context[]
  readonly named: NamedFile[]
  /** Includes that may still follow. */
  left: number
}

/** nginx itself has no limits, and refuses files that include themselves. */
const deepest = 20
const mostIncludes = 10_000

function enter(file: ConfigurationFile, context: Context, walk: Walk, depth: number): void {
  let here = context
  for (const directive of file.directives) {
    if (directive.kind === 'shut') here = here.parent && here !== context ? here.parent : here
    else if (directive.kind === 'open') {
      here = newContext(directive.name, { file: file.path, line: directive.line }, here)
      if (directive.name === 'server') walk.servers.push(here)
    } else {
      const [name = '', ...args] = directive.words.map(unquote)
      const at = { file: file.path, line: directive.line }
      if (name !== 'include') apply(here, { name, args, at }, walk)
      else if (depth < deepest) include(args[0] ?? '', here, walk, depth)
    }
  }
}

function include(glob: string, context: Context, walk: Walk, depth: number): void {
  const whole = absolute(glob, walk.folder)
  for (const file of walk.files) {
    if (walk.left <= 0) return
    if (!globMatches(whole, file.path)) continue
    walk.left--
    enter(file, context, walk, depth + 1)
  }
}

interface Said {
  readonly name: string
  readonly args: readonly string[]
  readonly at: Place
}

function apply(context: Context, { name, args, at }: Said, walk: Walk): void {
  const [first = ''] = args
  if (name === 'server_name') context.names.push(...args.map((arg) => arg.toLowerCase()))
  else if (name === 'listen') context.listens.push(readListen(args))
  else if (name === 'ssl') context.tls = first === 'on'
  else if (name === 'starttls') context.tls ||= first !== 'off'
  else if (first !== '') {
    const named = { directive: name, path: absolute(first, walk.folder), ...at }
    walk.named.push(named)
    if (name === 'ssl_certificate') context.certificates.push(named)
    if (name === 'ssl_certificate_key') context.keys.push(named)
  }
}

function readListen([address = '', ...options]: readonly string[]): Context['listens'][number] {
  return {
    // Only a port: all addresses, as `*:443` is.
    address: /^\d+$/.test(address) ? `*:${address}` : address,
    tls: options.includes('ssl') || options.includes('quic'),
    isDefault: options.includes('default_server') || options.includes('default'),
  }
}

/** `listen … ssl` in one server makes all servers on that address speak TLS. */
function speaksTls(server: Context, shared: ReadonlySet<string>): boolean {
  if (certificatesOf(server).length === 0) return false
  return tlsOf(server) || server.listens.some(({ address, tls }) => tls || shared.has(address))
}

function tlsOf(context: Context | undefined): boolean {
  return context !== undefined && (context.tls || tlsOf(context.parent))
}

function tlsServer(server: Context): TlsServer {
  return {
    ...server.at,
    module: moduleOf(server),
    names: server.names,
    isDefault: server.listens.some(({ isDefault }) => isDefault),
    certificates: certificatesOf(server),
    keys: inherited(server, ({ keys }) => keys),
  }
}

function certificatesOf(context: Context): readonly NamedFile[] {
  return inherited(context, ({ certificates }) => certificates)
}

function inherited(context: Context, read: (context: Context) => readonly NamedFile[]): readonly NamedFile[] {
  const own = read(context)
  return own.length > 0 || !context.parent ? own : inherited(context.parent, read)
}

function moduleOf(context: Context): TlsServer['module'] {
  const { kind } = context
  if (kind === 'stream' || kind === 'mail') return kind
  return context.parent ? moduleOf(context.parent) : 'http'
}

function newContext(kind: string, at: Place, parent: Context | undefined): Context {
  return { kind, at, parent, names: [], listens: [], certificates: [], keys: [], tls: false }
}

function absolute(path: string, folder: string): string {
  return /^(\/|\$|data:|engine:|store:)/.test(path) ? path : folder + path
}

const escapes: Readonly<Record<string, string>> = { t: '\t', r: '\r', n: '\n' }

/** A word as nginx takes it: without its quotes; a backslash before a quote, a backslash and t, r, n is one. */
function unquote(word: string): string {
  const inner = /^(["'])(.*)\1$/s.exec(word)?.[2] ?? word
  return inner.replaceAll(/\\(["'\\trn])/g, (_, character: string) => escapes[character] ?? character)
}
