import { CertsError } from '../src/core/errors.ts'
import type { Certificate } from '../src/core/certificate.ts'
import type { Node } from '../src/core/node.ts'
import { servicesFor } from '../src/core/serving.ts'
import type { Fleet } from './fleet.ts'
import { inspect } from './inspect.ts'

/**
 * Why a node may serve something else than live: nginx reads other files for these names. Asks nginx itself, where
 * there is one;
 * nothing is said when it can't be asked.
 */
export async function explainServed(
  { node, certificate }: { readonly node: Node; readonly certificate: Certificate },
  fleet: Fleet,
): Promise<string[]> {
  try {
    if (!('nginx' in servicesFor(node, certificate))) return []
    const { reads } = await inspect(await fleet.shell(node), node, [certificate.name])
    const live = `${node.root}/live/${certificate.name}/`
    const mine = reads.filter(({ serverNames }) =>
      serverNames.some((name) => certificate.names.includes(name)),
    )
    const others = mine.filter(({ file }) => !file.startsWith(live))
    if (mine.length === 0 && Object.keys(node.services).length === 1)
      return [`no server block of nginx names ${certificate.names.join(' or ')} beside an ssl_certificate`]
    return others.map(
      ({ file, serverNames }) => `nginx reads ${file} for ${serverNames.join(' ')}, not ${live}fullchain.pem`,
    )
  } catch (error) {
    if (error instanceof CertsError) return []
    throw error
  }
}
