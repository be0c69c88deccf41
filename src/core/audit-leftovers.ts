import { sayNames, shellWord } from './audit-finding.ts'
import type { NodeFinding } from './audit-finding.ts'
import { judgeUnused } from './audit-unused.ts'
import type { Fleet } from './audit-unused.ts'
import { covers } from './audit-view.ts'
import type { Holding, NodeView } from './audit-view.ts'
import type { Certificate } from './certificate.ts'
import { sayCount } from './count.ts'
import type { FoundCertificate } from './material.ts'

/** What lies about on one node: of no use there, in the way of others, or readable by everybody. */
export function judgeLeftovers(view: NodeView, fleet: Fleet): NodeFinding[] {
  return [
    ...view.holdings.flatMap((holding) => judgeKeys(view, holding)),
    ...judgeRenewers(view),
    ...judgeUnread(view),
    ...(view.readsKnown ? [...judgeUnused(view, fleet), ...judgeVersions(view)] : []),
  ]
}

function judgeKeys(view: NodeView, holding: Holding): NodeFinding[] {
  const { folders } = view.material
  const open = holding.files.filter(({ key, mode }) => key && (Number.parseInt(mode, 8) & 0o004) !== 0)
  return open.map(({ path, mode }) => {
    const closed = parentsOf(path).find(
      (folder) => (Number.parseInt(folders[folder] ?? '755', 8) & 0o001) === 0,
    )
    const of = holding.certificate ?? certificateFor(view, holding)
    const whose = of ? `the key of ${sayNames(of)}` : 'a private key'
    const but = closed === undefined ? '' : `; only the mode of ${closed} keeps others out`
    return {
      kind: 'readable-key',
      level: closed === undefined ? 'wrong' : 'tidy',
      message: `${whose} is readable by every user of the node: ${path} has mode ${mode}${but}`,
      node: view.node,
      what: [path],
      hints: closed === undefined && holding.inUse ? exposed(view, of) : [],
      commands: [`chmod o-rwx ${shellWord(path)}`],
    }
  })
}

/** Who could log in may have it. */
function exposed({ configured }: NodeView, of: FoundCertificate | undefined): string[] {
  const ours = configured.find(({ names }) => of?.names.some((name) => covers(names, name)))
  const next = ours
    ? `certs replace ${shellWord(ours.name)} gives it a new key`
    : 'give the certificate a new key'
  return [`who could log in there may have it: ${next}`]
}

function certificateFor({ holdings }: NodeView, { keys }: Holding) {
  return holdings.find(({ certificate }) => keys.some(({ spki }) => spki && certificate?.spki === spki))
    ?.certificate
}

function parentsOf(path: string): string[] {
  const parts = path.split('/').slice(1, -1)
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`)
}

/** certbot would issue and switch links beside certs. */
function judgeRenewers({ node, material, configured }: NodeView): NodeFinding[] {
  const { timers, cron, lineages } = material.renewers
  const by = [
    ...timers.filter((unit) => unit.includes('certbot')),
    ...cron.flatMap(({ program, at }) => (program === 'certbot' ? at : [])),
  ]
  if (by.length === 0) return []
  const ours = configured.filter(({ name }) => lineages.includes(name))
  return ours.map(({ name }) => {
    const file = shellWord(`${material.root}/renewal/${name}.conf`)
    return {
      kind: 'rival',
      level: 'tidy',
      message: `certbot renews ${name} too, and moves its links`,
      node,
      what: by,
      hints: ['certs nodes adopt NODE takes over all that certs renews there, or by hand:'],
      commands: [`mv ${file} ${file}.off`],
    }
  })
}

function judgeUnread({ node, configured, holdings, use, readsKnown }: NodeView): NodeFinding[] {
  if (!readsKnown) return []
  const here = (name: string) => holdings.filter(({ lineage }) => lineage?.live && lineage.name === name)
  const served = ({ names }: Certificate) =>
    use.servers.some((server) => server.names.some((name) => covers(names, name)))
  return configured
    .filter(
      (one) =>
        here(one.name).length > 0 &&
        here(one.name).every(({ readers }) => readers.length === 0) &&
        !served(one),
    )
    .map(({ name }) => ({
      kind: 'unread',
      level: 'tidy',
      message: `${name} is configured for the node, and no server of nginx answers for it`,
      node,
      what: here(name).map(({ label }) => label),
      hints: [`take the node out of certificates["${name}"].nodes, or let a server read live/${name}`],
      commands: [],
    }))
}

/** So many before the live one are kept to go back to. */
const keptVersions = 2

/** Versions of a lineage that is in use, but for the live one. */
function judgeVersions({ node, holdings }: NodeView): NodeFinding[] {
  const lineages = Map.groupBy(
    holdings.filter(({ lineage }) => lineage),
    ({ path }) => path,
  )
  return [...lineages].flatMap(([path, versions]): NodeFinding[] => {
    if (!versions.some(({ inUse }) => inUse)) return []
    const { name } = versions[0]!.lineage!
    const numbers = (some: readonly Holding[]) =>
      some.map(({ lineage }) => lineage!.number).toSorted((a, b) => a - b)
    const live = Math.max(0, ...numbers(versions.filter(({ lineage }) => lineage!.live)))
    const idle = numbers(versions.filter(({ inUse }) => !inUse))
    const newer = live === 0 ? [] : idle.filter((number) => number > live)
    const older = idle.filter((number) => number < live).slice(0, -keptVersions)
    const say = (message: string, hint: string): NodeFinding[] => [
      { kind: 'idle-versions', level: 'tidy', message, node, what: [path], hints: [hint], commands: [] },
    ]
    return [
      ...(newer.length === 0
        ? []
        : say(
            `${name}: version ${sayNumbers(newer)} is newer than the live version ${live}`,
            'a certbot that still runs would move the links to it',
          )),
      ...(older.length === 0
        ? []
        : say(
            `${name}: ${sayCount(older.length, 'old version')} with keys (${sayNumbers(older)})`,
            `the ${keptVersions} before the live one are enough to go back to; certs prune moves older ones into a backup`,
          )),
    ]
  })
}

/** `1, 3–5`. */
function sayNumbers(numbers: readonly number[]): string {
  const runs: [number, number][] = []
  for (const number of numbers.toSorted((a, b) => a - b)) {
    const last = runs.at(-1)
    if (last?.[1] === number - 1) last[1] = number
    else runs.push([number, number])
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(', ')
}
