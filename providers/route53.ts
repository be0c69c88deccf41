import {
  ChangeResourceRecordSetsCommand,
  GetChangeCommand,
  ListResourceRecordSetsCommand,
  type Change,
  type ResourceRecord,
} from '@aws-sdk/client-route-53'
import { setTimeout as sleep } from 'node:timers/promises'
import { ProviderError } from '../src/core/errors.ts'
import type { Provider, TxtRecord } from './provider.ts'
import { changeRecordSets, type RecordSet, type Runner } from './record-sets.ts'
import { retry } from './retry.ts'
import { openClient, type Route53Settings } from './route53-client.ts'
import { again, asProviderError } from './route53-errors.ts'
import { createZones } from './route53-zones.ts'
import { createTurns } from './turns.ts'
import { quoteTxt } from './txt.ts'

const newTtl = 60
const deadlineMs = 60_000
/** A change is usually everywhere within a minute. */
const inSyncMs = 300_000
const pollMs = 2000

/** https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html */
export function route53(settings: Route53Settings): Provider {
  const client = openClient(settings)
  const zones = createZones(client)
  /** The latest change of each name. */
  const changes = new Map<string, string>()
  const inTurn = createTurns()

  async function read(abortSignal: AbortSignal, record: TxtRecord): Promise<RecordSet<ResourceRecord>> {
    const name = `${record.name}.`
    const HostedZoneId = await zones.held(record.zone, abortSignal)
    // The first set from there on, in the order of the zone.
    const query = { HostedZoneId, StartRecordName: name, StartRecordType: 'TXT', MaxItems: 1 } as const
    const found = await client.send(new ListResourceRecordSetsCommand(query), { abortSignal })
    const set = found.ResourceRecordSets?.find(({ Name, Type }) => Name === name && Type === 'TXT')
    return { entries: set?.ResourceRecords ?? [], ttl: set?.TTL }
  }

  /** A batch is done whole or not at all, and what it removes must be what was read: no change gets lost. */
  async function write(
    abortSignal: AbortSignal,
    { zone, name }: TxtRecord,
    { before, after }: { before: RecordSet<ResourceRecord>; after: RecordSet<ResourceRecord> },
  ): Promise<void> {
    const change = (Action: Change['Action'], { entries, ttl = newTtl }: RecordSet<ResourceRecord>) => ({
      Action,
      ResourceRecordSet: { Name: `${name}.`, Type: 'TXT' as const, TTL: ttl, ResourceRecords: [...entries] },
    })
    const Changes = [
      ...(before.entries.length > 0 ? [change('DELETE', before)] : []),
      ...(after.entries.length > 0 ? [change('CREATE', after)] : []),
    ]
    const HostedZoneId = await zones.held(zone, abortSignal)
    const command = new ChangeResourceRecordSetsCommand({ HostedZoneId, ChangeBatch: { Changes } })
    const { ChangeInfo } = await client.send(command, { abortSignal })
    if (ChangeInfo?.Id) changes.set(name, ChangeInfo.Id)
  }

  function runner(deadline: number): Runner<AbortSignal> {
    return {
      async run(what, signal, operation) {
        try {
          return await retry(operation, { signal, deadlineMs: deadline, again })
        } catch (failure) {
          signal.throwIfAborted()
          if (failure instanceof ProviderError) throw failure
          throw asProviderError(`${what} at Route 53 failed`, failure)
        }
      },
    }
  }

  async function waitInSync({ name }: TxtRecord, signal: AbortSignal): Promise<void> {
    const Id = changes.get(name)
    if (Id === undefined) return
    await runner(inSyncMs).run(`waiting for TXT ${name}`, signal, async (abortSignal) => {
      // One question at a time, for all names together: the account's limit is five a second.
      const ask = () => client.send(new GetChangeCommand({ Id }), { abortSignal })
      while ((await inTurn('', ask)).ChangeInfo?.Status !== 'INSYNC') {
        await sleep(pollMs, undefined, { signal: abortSignal })
      }
    })
  }

  const api = runner(deadlineMs)
  const { create, remove } = changeRecordSets<AbortSignal, ResourceRecord>(api, {
    read,
    write,
    data: ({ Value }) => Value ?? '',
    entry: (value) => ({ Value: quoteTxt(value) }),
  })
  return {
    holdsZone: (zone, signal) =>
      api.run(
        `looking for the zone ${zone}`,
        signal,
        async (each) => (await zones.find(zone, each)) !== undefined,
      ),
    async create(record, signal) {
      await create(record, signal)
      await waitInSync(record, signal)
    },
    remove,
  }
}
