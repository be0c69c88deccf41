import type { Host } from './hosts.ts'
import type { Pebble } from './pebble.ts'

/**
 * All that a rollout could change on a host, as text: every file below /etc/letsencrypt with its bytes, inode,
 * mode and times, and the processes of nginx, which a reload replaces.
 */
export async function snapshotOf(host: Host): Promise<string> {
  return host.exec(`
    pgrep -x nginx
    cd /etc/letsencrypt 2>/dev/null || exit 0
    find . -printf '%p %y %m %U:%G %i %s %T@ %C@ %l\\n' | sort
    find . -type f -exec sha256sum {} + | sort -k2
  `)
}

/** How many orders the CA has been asked for. */
export function ordersAt(pebble: Pebble): number {
  return pebble.log().match(/Added order/g)?.length ?? 0
}
