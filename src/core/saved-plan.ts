import { sha256 } from './certificate.ts'
import { dayMs, hourMs, sayInstant } from './duration.ts'
import { CertsError, ConfigError } from './errors.ts'
import type { Plan } from './plan.ts'
import { describeSteps } from './plan-changes.ts'
import { printableLine } from './printable.ts'
import type { Facts, Sight } from './sight.ts'

/**
 * A plan in a file, with everything that it was made of in words. It is compared and never trusted: what is carried
 * out is the plan that is made anew, when that is the same. It holds no secret.
 */
export interface SavedPlan {
  readonly kind: 'certs-plan'
  readonly format: 1
  /** Which `certs` wrote it. */
  readonly by: string
  /** ISO 8601. */
  readonly at: string
  readonly expires: string
  /** What was asked for, so that the same can be asked again. */
  readonly request: {
    readonly certificates: readonly string[]
    readonly forceRenew: boolean
    readonly adopt?: boolean
  }
  readonly sight: Sight
  /** What would be done, in words that a later hour does not change. */
  readonly steps: Facts
  /** The same as `certs plan --json` prints it, for people and programs; it is not read again. */
  readonly plan: Plan
}

export type Planned = Pick<SavedPlan, 'request' | 'sight' | 'plan'>

/** A backstop: that the fleet is still the same is found out by looking. */
const lifetimeMs = 7 * dayMs

export function savePlan({ request, sight, plan }: Planned, by: string): SavedPlan {
  const { at } = plan
  const expires = new Date(Date.parse(at) + lifetimeMs).toISOString()
  return { kind: 'certs-plan', format: 1, by, at, expires, request, sight, steps: describeSteps(plan), plan }
}

/** The file's text: JSON with a sum that tells a file that was changed by accident. */
export function encodePlan(saved: SavedPlan): string {
  return `${JSON.stringify({ ...saved, sha256: sumOf(saved) }, null, 2)}\n`
}

/** Whether a text is a saved plan of any format, and so may be written over by another. */
export function isSavedPlan(text: string): boolean {
  return readObject(text)?.['kind'] === 'certs-plan'
}

/** Throws ConfigError for what is no plan, was changed after it was saved, or is of another format. */
export function decodePlan(text: string, file: string): SavedPlan {
  const refuse = (cause: string, hint = 'save it again: certs plan --out FILE'): never => {
    throw new ConfigError(`reading the plan in ${file} failed: ${cause}`, { hint })
  }
  const found = readObject(text)
  if (!found || found['kind'] !== 'certs-plan')
    return refuse('certs did not save it', 'certs plan --out FILE saves one')
  const { kind, format, by, at, expires, request, sight, steps, plan } = found
  if (format !== 1) {
    return refuse(`it is of format ${quote(format)}, saved by ${quote(by)}; format 1 is read here`)
  }
  const saved = { kind, format, by, at, expires, request, sight, steps, plan } as unknown as SavedPlan
  const sum = sumOf(saved)
  if (sum === undefined || sum !== found['sha256']) return refuse('it was changed after it was saved')
  if (!isWhole(found)) return refuse('it is damaged')
  return saved
}

/** Throws CertsError when the plan is too old, or seems to come from the future. */
export function refuseExpired({ at, expires }: SavedPlan, { file, now }: { file: string; now: Date }): void {
  const hint = 'look again, and save it again: certs plan --out FILE'
  if (now.getTime() > Date.parse(expires)) {
    throw new CertsError(`the plan in ${file} is too old: it was good until ${sayInstant(expires)}`, { hint })
  }
  if (Date.parse(at) > now.getTime() + hourMs) {
    throw new CertsError(
      `the plan in ${file} was made in the future, at ${sayInstant(at)}: a clock is wrong`,
      {
        hint: ['compare the clocks of the machines that saved and carry it out', hint],
      },
    )
  }
}

function sumOf(saved: SavedPlan): string | undefined {
  const { kind, format, by, at, expires, request, sight, steps, plan } = saved
  try {
    return sha256(JSON.stringify([kind, format, by, at, expires, request, sight, steps, plan]))
  } catch {
    // Nested deeper than can be written down.
    return undefined
  }
}

function readObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Whoever changes a file can change its sum, so what is read of it is looked at. */
function isWhole({ at, expires, request, sight, steps }: Readonly<Record<string, unknown>>): boolean {
  if (!isObject(request) || !isObject(sight)) return false
  const { certificates, forceRenew, adopt = false } = request
  return (
    [at, expires].every(isInstant) &&
    Array.isArray(certificates) &&
    certificates.every((name) => typeof name === 'string') &&
    typeof forceRenew === 'boolean' &&
    typeof adopt === 'boolean' &&
    [sight['configuration'], sight['seen'], steps].every(isFacts)
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isFacts(value: unknown): value is Facts {
  return isObject(value) && Object.values(value).every((one) => typeof one === 'string')
}

function isInstant(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value) &&
    !Number.isNaN(Date.parse(value))
  )
}

function quote(value: unknown): string {
  return typeof value === 'string'
    ? printableLine(value, { max: 60 })
    : typeof value === 'number'
      ? `${value}`
      : 'unknown'
}
