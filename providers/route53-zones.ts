import { ListHostedZonesByNameCommand, type Route53Client } from '@aws-sdk/client-route-53'
import { ProviderError } from '../src/core/errors.ts'

/** Ids of public hosted zones, each looked up once. */
export interface Zones {
  find(zone: string, signal: AbortSignal): Promise<string | undefined>
  /** Throws ProviderError when the account has no such zone. */
  held(zone: string, signal: AbortSignal): Promise<string>
}

export function createZones(client: Route53Client): Zones {
  const known = new Map<string, string>()

  async function find(zone: string, abortSignal: AbortSignal): Promise<string | undefined> {
    const id = known.get(zone)
    if (id) return id
    const dnsName = `${zone}.`
    let page: { DNSName: string; HostedZoneId?: string | undefined } = { DNSName: dnsName }
    for (;;) {
      const found = await client.send(new ListHostedZonesByNameCommand(page), { abortSignal })
      const named = found.HostedZones?.filter(({ Name }) => Name === dnsName) ?? []
      const publicId = named.find(({ Config }) => Config?.PrivateZone !== true)?.Id
      if (publicId) known.set(zone, publicId)
      if (publicId || !found.IsTruncated || found.NextDNSName !== dnsName) return publicId
      page = { DNSName: dnsName, HostedZoneId: found.NextHostedZoneId }
    }
  }

  return {
    find,
    async held(zone, signal) {
      const id = await find(zone, signal)
      if (id) return id
      throw new ProviderError(`this AWS account has no public hosted zone ${zone}`, {
        hint: 'use credentials of the account that has it: aws route53 list-hosted-zones',
      })
    },
  }
}
