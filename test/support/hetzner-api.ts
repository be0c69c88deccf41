import { startJsonApi, type ApiAnswer, type ApiRequest, type JsonApi } from './json-api.ts'

interface Action {
  readonly id: number
  readonly command: string
  status: 'running' | 'success' | 'error'
  readonly work: () => void
  readonly error: { code: string; message: string } | null
}

/** Zones and record sets of the Hetzner Cloud API, whose changes are actions that end later. */
export interface HetznerApi extends JsonApi {
  readonly token: string
  /** By name relative to the zone: the values of TXT, in quotes. */
  readonly sets: Map<string, { ttl: number | null; values: string[] }>
  /** Ends the next action with this failure. */
  failAction(message: string): void
}

export async function startHetznerApi(
  zones: Readonly<Record<string, 'primary' | 'secondary'>>,
): Promise<HetznerApi> {
  const token = 'hcloud0123456789abcdefghijklmnop'
  const sets: HetznerApi['sets'] = new Map()
  const actions: Action[] = []
  let failure: string | undefined

  function start(command: string, work: () => void): ApiAnswer {
    const error = failure === undefined ? null : { code: 'action_failed', message: failure }
    failure = undefined
    const action: Action = { id: actions.length + 1, command, status: 'running', work, error }
    actions.push(action)
    return { status: 201, body: { action: shown(action) } }
  }

  function look(id: number): ApiAnswer {
    const action = actions[id - 1]
    if (!action) return refuse(404, 'not_found', 'action not found')
    if (action.status === 'running') {
      action.status = action.error ? 'error' : 'success'
      if (!action.error) action.work()
    }
    return { status: 200, body: { action: shown(action) } }
  }

  function add(name: string, { records, ttl = null }: { records: { value: string }[]; ttl?: number | null }) {
    const set = sets.get(name)
    const values = records.map(({ value }) => value)
    if (values.some((value) => !/^".*"$/.test(value))) return refuse(422, 'invalid_input', 'TXT wants quotes')
    if (set && ttl !== null && ttl !== set.ttl) return refuse(422, 'invalid_input', 'the TTL differs')
    if (values.some((value) => set?.values.includes(value))) {
      return refuse(409, 'uniqueness_error', 'record already exists')
    }
    return start('add_rrset_records', () => {
      const held = sets.get(name) ?? { ttl, values: [] }
      sets.set(name, { ...held, values: [...held.values, ...values] })
    })
  }

  function remove(name: string, { records }: { records: { value: string }[] }): ApiAnswer {
    const values = records.map(({ value }) => value)
    const held = sets.get(name)?.values ?? []
    if (!values.every((value) => held.includes(value))) return refuse(404, 'not_found', 'record not found')
    return start('remove_rrset_records', () => {
      const kept = (sets.get(name)?.values ?? []).filter((value) => !values.includes(value))
      if (kept.length === 0) sets.delete(name)
      else sets.set(name, { ttl: sets.get(name)?.ttl ?? null, values: kept })
    })
  }

  function answer({ method, url, headers, body }: ApiRequest): ApiAnswer {
    if (headers.authorization !== `Bearer ${token}`) {
      return refuse(401, 'unauthorized', 'the token you are trying to use is invalid')
    }
    const [, version, kind, zone = '', part, name = '', type, , action] = url.pathname.split('/')
    if (version !== 'v1') return refuse(404, 'not_found', 'no such path')
    if (kind === 'actions') return look(Number(zone))
    const mode = zones[zone]
    if (!mode) return refuse(404, 'not_found', `zone with name '${zone}' not found`)
    if (part === undefined) return { status: 200, body: { zone: { id: 42, name: zone, mode } } }
    if (type !== 'TXT') return refuse(404, 'not_found', 'no such path')
    if (method === 'POST') return action === 'add_records' ? add(name, body) : remove(name, body)
    const set = sets.get(name)
    if (!set) return refuse(404, 'not_found', 'rrset not found')
    const records = set.values.map((value) => ({ value, comment: '' }))
    return { status: 200, body: { rrset: { id: `${name}/TXT`, name, type, ttl: set.ttl, records } } }
  }

  const api = await startJsonApi(answer)
  const fail = (message: string): void => void (failure = message)
  return Object.assign(api, { token, sets, failAction: fail })
}

function shown({ id, command, status, error }: Action): object {
  return {
    id,
    command,
    status,
    progress: status === 'running' ? 50 : 100,
    error: status === 'error' ? error : null,
  }
}

function refuse(status: number, code: string, message: string): ApiAnswer {
  return { status, body: { error: { code, message, details: {} } } }
}
