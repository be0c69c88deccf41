import { hostsMissing } from './hosts.ts'

/**
 * Whether a suite that needs real hosts is to be skipped; the reason is printed. In CI it is an error, for a
 * suite that is skipped there proves nothing anywhere.
 */
export async function skipUnless(_needs: 'hosts'): Promise<boolean> {
  const missing = await hostsMissing()
  if (missing === undefined) return false
  if (process.env['CI'] === 'true') throw new Error(`CI must have it: ${missing}`)
  process.stderr.write(`skipped: ${missing}\n`)
  return true
}
