import { CertsError } from './errors.ts'
import type { ErrorFacts } from './errors.ts'

/**
 * `certs: error: …`, what a tool said in its own words, then `certs: hint: …` lines.
 * Anything that is not one of our errors is our bug: its stack is shown.
 */
export function renderError(error: unknown): string {
  if (error instanceof CertsError) return renderErrorFacts(error)
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return `certs: error: this is a bug in certs, not something you did\n${indent(stack)}\ncerts: hint: please report it with the lines above\n`
}

export function renderErrorFacts({
  message,
  detail,
  hints,
}: Omit<ErrorFacts, 'detail'> & { detail?: string | undefined }): string {
  const lines = [
    `certs: error: ${message}`,
    ...(detail ? [indent(detail.trim())] : []),
    ...hints.map((hint) => `certs: hint: ${hint}`),
  ]
  return `${lines.join('\n')}\n`
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '    ')
}
