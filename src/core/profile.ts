import type { ErrorFacts } from './errors.ts'

/** One of the kinds of certificate that a CA offers in its directory's `meta.profiles`. */
export interface Profile {
  readonly name: string
  /** The CA's words or the URL of them; may be empty. */
  readonly description: string
}

/** Why nothing can be ordered with this profile; undefined when it is offered, or none is asked for. */
export function judgeProfile(
  wanted: string | undefined,
  offered: readonly Profile[],
  { host, place = 'acme' }: { readonly host: string; readonly place?: string | undefined },
): ErrorFacts | undefined {
  if (wanted === undefined || offered.some(({ name }) => name === wanted)) return undefined
  const names = offered.map(({ name }) => name).join(', ')
  const message = `the CA at ${host} has no profile ${JSON.stringify(wanted)}: it offers ${names || 'none'}`
  const hint = `correct ${place}.profile in the configuration, or leave it out`
  if (offered.length === 0) return { message, hints: [hint] }
  const detail = offered
    .map(({ name, description }) => `${name}: ${description || 'not described'}`)
    .join('\n')
  return { message, hints: [hint], detail }
}
