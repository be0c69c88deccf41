import { createPublicKey, X509Certificate } from 'node:crypto'
import { archiveKinds, type ArchiveKind } from '../../src/core/certificate.ts'
import type { ArchiveFile, Folder, Lineage, LiveEntry, ReadElsewhere } from '../../src/core/node.ts'
import { printableLine } from '../../src/core/printable.ts'
import type { Answer } from './frame.ts'

/** One line of `stat -c %F/%a/%U:%G/%N`. */
interface Seen {
  readonly type: string
  readonly mode: string
  readonly owner: string
  /** Where a link points. */
  readonly target: string | undefined
}

/** Puts together what the program said about certificates; one it said nothing of is missing. */
export function readLineages(answer: Answer, certificates: readonly string[]): Record<string, Lineage> {
  const seen = new Map(answer.all('stat').flatMap(readStat))
  const sums = new Map(answer.all('sum').flatMap(readSum))
  const blocks = new Map(answer.all('leaf').map(splitOnce))
  const publicKeys = new Map(answer.all('public').map(splitOnce))
  const odd = answer.all('odd').map(splitOnce)
  const renewals = new Set(answer.all('renewal'))
  const others = new Set(answer.all('other'))
  const siblings = answer.all('sibling').map(splitOnce)

  const read = (certificate: string): Lineage => {
    const at = (kind: ArchiveKind) => `live/${certificate}/${kind}.pem`
    const live = (kind: ArchiveKind) => liveEntry(certificate, kind, seen.get(at(kind)), sums.get(at(kind)))
    const served = blocks.get(at('fullchain'))
    const leaf = blocks.get(at('cert')) ?? served
    return {
      certificate,
      live: {
        privkey: live('privkey'),
        cert: live('cert'),
        chain: live('chain'),
        fullchain: live('fullchain'),
        ...(seen.has(at('combined')) ? { combined: live('combined') } : {}),
      },
      liveDirectory: directory(seen.get(`live/${certificate}`)),
      folders: ['.', 'live', 'archive', `live/${certificate}`, `archive/${certificate}`].flatMap((path) =>
        folder(path, seen.get(path), others.has(path)),
      ),
      archive: [...seen].flatMap(([path, entry]) => archiveFile(certificate, path, entry, sums.get(path))),
      odd: odd.filter(([name]) => name === certificate).map(([, file]) => file),
      ...(leaf === undefined ? {} : { leaf: pem('CERTIFICATE', leaf) }),
      pair: pair(publicKeys.get(certificate), served),
      renewalFile: renewals.has(certificate),
      siblings: siblings.flatMap(([of, name]) =>
        of === certificate ? { name: printableLine(name), renewalFile: renewals.has(name) } : [],
      ),
    }
  }
  return Object.fromEntries(certificates.map((certificate) => [certificate, read(certificate)]))
}

/** What nginx reads for names of ours from elsewhere than their live. */
export function readElsewhere(answer: Answer): ReadElsewhere[] {
  const seen = new Map(answer.all('stat').flatMap(readStat))
  const sums = new Map(answer.all('sum').flatMap(readSum))
  const blocks = new Map(answer.all('leaf').map(splitOnce))
  const loose = new Map(answer.all('loose').map(splitTab))
  return answer.all('leads').flatMap((line): ReadElsewhere[] => {
    const [path, leadsTo] = splitTab(line)
    const sha256 = sums.get(path)
    if (!seen.has(path) || sha256 === undefined) return []
    const [leaf, looseFolder] = [blocks.get(path), loose.get(path)]
    return [
      {
        path,
        leadsTo,
        sha256,
        ...(leaf === undefined ? {} : { leaf: pem('CERTIFICATE', leaf) }),
        ...(looseFolder === undefined ? {} : { loose: looseFolder }),
      },
    ]
  })
}

function splitTab(line: string): [string, string] {
  const [path = '', rest = ''] = line.split('\t').map((part) => printableLine(part, { max: 4096 }))
  return [path, rest]
}

function readStat(line: string): [string, Seen][] {
  const [, type, mode, owner, name] = /^([^/]*)\/([0-7]+)\/([^/]*)\/(.*)$/.exec(line) ?? []
  const [, path, target] = /^'?([^' ]+)'?(?: -> (.*))?$/.exec(name ?? '') ?? []
  if (type === undefined || mode === undefined || owner === undefined || path === undefined) return []
  return [
    [
      path,
      {
        type,
        mode,
        owner,
        target: target === undefined ? undefined : printableLine(unquote(target), { max: 4096 }),
      },
    ],
  ]
}

/** Undoes the quotes that stat puts round a name; what it escapes beyond that stays as it is. */
function unquote(text: string): string {
  return /^(['"])(.*)\1$/.exec(text)?.[2]?.replaceAll(`'\\''`, `'`) ?? text
}

function readSum(line: string): [string, string][] {
  const [, sum, path] = /^([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? []
  return sum === undefined || path === undefined ? [] : [[path, sum]]
}

function splitOnce(line: string): [string, string] {
  const space = line.indexOf(' ')
  return space < 0 ? [line, ''] : [line.slice(0, space), line.slice(space + 1)]
}

function liveEntry(certificate: string, kind: ArchiveKind, seen: Seen | undefined, sum?: string): LiveEntry {
  if (seen === undefined) return { is: 'missing' }
  if (seen.target !== undefined) {
    const number = versionNumber(certificate, kind, seen.target)
    return {
      is: 'link',
      target: seen.target,
      ...(number === undefined ? {} : { number }),
      ...(sum === undefined ? {} : { sha256: sum }),
    }
  }
  return seen.type.startsWith('regular') && sum !== undefined ? { is: 'file', sha256: sum } : { is: 'other' }
}

function versionNumber(certificate: string, kind: ArchiveKind, path: string): number | undefined {
  const parts = path.split('/')
  if (parts.at(-3) !== 'archive' || parts.at(-2) !== certificate) return undefined
  const digits = parts.at(-1)?.match(/^([a-z]+)([1-9][0-9]{0,14})\.pem$/)
  return digits?.[1] === kind ? Number(digits[2]) : undefined
}

function archiveFile(certificate: string, path: string, seen: Seen, sum = ''): ArchiveFile[] {
  if (!path.startsWith(`archive/${certificate}/`)) return []
  return archiveKinds.flatMap((kind) => {
    const number = versionNumber(certificate, kind, path)
    return number === undefined ? [] : [{ kind, number, sha256: sum, mode: seen.mode, owner: seen.owner }]
  })
}

function folder(path: string, seen: Seen | undefined, other: boolean): Folder[] {
  if (seen === undefined) return []
  const { type, mode, owner, target } = seen
  const is = target !== undefined ? 'link' : type === 'directory' ? 'directory' : 'other'
  const foreign = other && !owner.startsWith('root:')
  return [{ path, is, mode, owner, foreign, ...(target === undefined ? {} : { target }) }]
}

function directory(seen: Seen | undefined): Lineage['liveDirectory'] {
  if (seen === undefined) return 'missing'
  if (seen.target !== undefined) return 'link'
  return seen.type === 'directory' ? 'directory' : 'other'
}

/** A key that openssl can't read (an empty word) belongs to nothing. */
function pair(publicKey: string | undefined, certificate: string | undefined): Lineage['pair'] {
  if (publicKey === undefined) return 'unknown'
  if (publicKey === '' || certificate === undefined) return 'differs'
  try {
    const { publicKey: certified } = new X509Certificate(pem('CERTIFICATE', certificate))
    return certified.equals(createPublicKey(pem('PUBLIC KEY', publicKey))) ? 'matches' : 'differs'
  } catch {
    return 'differs'
  }
}

function pem(label: string, base64: string): string {
  const lines = base64.match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
