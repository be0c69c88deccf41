import { hostsMissing } from './hosts.ts'
import { absentPackages, type Programs } from './packages.ts'

/**
 * Whether a suite that needs real hosts is to be skipped; the reason is printed. In CI it is an error, for a
 * suite that is skipped there proves nothing anywhere.
 */
export async function skipUnless(_needs: 'hosts', programs: Programs = {}): Promise<boolean> {
  const absent = await absentPackages(programs)
  const packages = absent.length === 0 ? undefined : `it needs: apt-get install ${absent.join(' ')}`
  const missing = (await hostsMissing()) ?? packages
  if (missing === undefined) return false
  if (process.env['CI'] === 'true') throw new Error(`CI must have it: ${missing}`)
  process.stderr.write(`skipped: ${missing}\n`)
  return true
}
