import type { Holding, NodeView } from './audit-view.ts'
import { fileKinds } from './certificate.ts'
import { sayCount } from './count.ts'
import { sayValidity } from './duration.ts'
import { isWanted } from './prune.ts'
import type { Candidate, Staying } from './prune.ts'
import type { CandidateInput } from './prune-candidates.ts'

/**
 * Versions of lineages in use that are older than the newest ones to keep: those that are whole, up to the live one. What
 * is newer than live, in use, or the newest that certs has stays, whatever its number.
 */
export function findOldVersions(input: CandidateInput): (Candidate | Staying)[] {
  const { holdings } = input.view
  const lineages = Map.groupBy(
    holdings.filter(({ lineage }) => lineage),
    ({ lineage }) => lineage!.name,
  )
  return [...lineages].flatMap(([name, versions]) =>
    versions.some(({ inUse }) => inUse) && isWanted(input.names, name, versions[0]!.certificate)
      ? judgeLineage(name, versions, input)
      : [],
  )
}

function judgeLineage(
  name: string,
  versions: readonly Holding[],
  input: CandidateInput,
): (Candidate | Staying)[] {
  const { view, keep, stored, fleet } = input
  const folder = `${view.material.root}/archive/${name}`
  const kinds = kindsOf(name, view)
  const numbers = [...kinds.keys()].toSorted((a, b) => a - b)
  if (numbers.length <= 1) return []
  const isWhole = (number: number) => kinds.get(number)!.size === fileKinds.length
  const live = liveOf(name, view)
  if (live === undefined || !isWhole(live)) {
    const ours = view.configured.some((one) => one.name === name)
    const because = `live/${name} does not lead to one whole version, so which are older is not known`
    return [{ label: folder, because, hints: ours ? [`certs rollout ${name}`] : [] }]
  }
  const whole = numbers.filter((number) => number <= live && isWhole(number)).slice(-keep)
  const oldest = whole[0] ?? live
  return numbers.flatMap((number): (Candidate | Staying)[] => {
    const holding = versions.find(({ lineage }) => lineage!.number === number)
    const label = `${folder} (version ${number})`
    const leaf = holding?.certificate
    const what = leaf ? sayValidity(leaf.notAfter, fleet.now) : 'without a certificate'
    const stay = (because: string, ...hints: string[]): Staying => ({ label, what, because, hints })
    if (number > live) {
      const next = 'certs rollout or certbot may go on to it, and certs rollback came from it'
      return [stay(`it is newer than the live version ${live}`, next)]
    }
    if (number >= oldest) return []
    if (holding?.inUse) return [stay('nginx reads it')]
    if (isNewest(holding, stored.newest)) return [stay('it is the newest version that certs has stored')]
    const because =
      whole.length === 1
        ? `version ${live} is live`
        : `${sayCount(whole.length, 'newer one')} up to the live version ${live} stay`
    const target = { is: 'version', name, number } as const
    // What is older than a live version is of no use, valid or not.
    const kind = isWhole(number) ? 'old-version' : 'half-version'
    const said = kind === 'half-version' ? `${what}, not whole` : what
    const lost =
      leaf !== undefined &&
      Date.parse(leaf.notAfter) > fleet.now.getTime() &&
      !stored.fingerprints.has(leaf.fingerprint)
    return [{ kind, target, label, what: said, because, lost }]
  })
}

/** Which of the four kinds there are of each number. */
function kindsOf(name: string, { material: { files, root } }: NodeView): Map<number, Set<string>> {
  const found = new Map<number, Set<string>>()
  for (const { path } of files) {
    if (!path.startsWith(`${root}/archive/${name}/`)) continue
    const [, kind, number] = /\/([a-z]+)([1-9]\d{0,14})\.pem$/.exec(path) ?? []
    if (!fileKinds.some((one) => one === kind)) continue
    found.set(Number(number), (found.get(Number(number)) ?? new Set()).add(kind!))
  }
  return found
}

/** The version that all four links lead to. */
function liveOf(name: string, { fileOf, material: { files, root } }: NodeView): number | undefined {
  const numbers = fileKinds.map((kind) => {
    const id = fileOf(`${root}/live/${name}/${kind}.pem`)?.id
    const wanted = new RegExp(`/${kind}([1-9]\\d{0,14})\\.pem$`)
    const archived = files.filter(
      (file) => file.id === id && file.path.startsWith(`${root}/archive/${name}/`) && wanted.test(file.path),
    )
    return archived.length === 1 ? Number(wanted.exec(archived[0]!.path)![1]) : undefined
  })
  return numbers.every((number) => number === numbers[0]) ? numbers[0] : undefined
}

function isNewest(holding: Holding | undefined, newest: CandidateInput['stored']['newest']): boolean {
  return newest.some(
    ({ fingerprint, spki }) =>
      holding?.certificate?.fingerprint === fingerprint || holding?.keys.some((key) => key.spki === spki),
  )
}
