import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { inspect } from '../../deploy/inspect.ts'
import { install, rollback } from '../../deploy/install.ts'
import type { Node } from '../../src/core/node.ts'
import { fakeNode, shells, snapshot, type FakeNode } from '../support/fake-node.ts'
import { bring, certificate, isFormer, linksIn, linksTo, one, order } from '../support/installing.ts'
import { nginxAlone } from '../support/nginx-alone.ts'
import { nodeFailure } from '../support/node-failure.ts'
import { sealedShell } from '../support/sealed-shell.ts'

vi.setConfig({ testTimeout: 60_000 })

/** Beside nginx a service of one's own, whose program writes down how it is called. */
function twoServices(): FakeNode & { relayWill(script: string): void } {
  const fake = fakeNode()
  const program = join(fake.folder, 'relay')
  const relayWill = (text: string) =>
    writeFileSync(program, `#!/bin/sh\necho "relay $*" >>${fake.folder}/calls\n${text}\n`, { mode: 0o755 })
  relayWill('')
  const relay = { test: [program, 'test'], reload: [program, 'reload'], combined: false, endpoints: [] }
  const node: Node = { ...fake.node, services: { ...nginxAlone(), relay } }
  return Object.assign(fake, { node, relayWill })
}

describe.for(shells)('two services on %s', (sh) => {
  test('are both tested before either is reloaded', async () => {
    using fake = twoServices()
    fake.lay(one)
    const shell = fake.shell({ sh })
    expect(await install(shell, fake.node, order)).toMatchObject({ outcome: 'installed', former: 1 })
    const tests = ['nginx -t', 'relay test']
    const once = [...tests, ...tests, 'systemctl reload nginx', 'relay reload']
    expect(fake.calls()).toEqual(once)
    await rollback(shell, fake.node, { certificate, number: 1 })
    expect(fake.calls()).toEqual(once)
    expect(linksIn(fake)).toEqual(linksTo(1))
  })

  test('are both on the former version, and neither reloaded, when the second fails its test', async () => {
    using fake = twoServices()
    fake.lay(one)
    fake.relayWill(`[ "$1" != test ] || ${isFormer(fake)} || { echo 'relay: no' >&2; exit 4; }`)
    const error = await nodeFailure(bring(fake, {}, { sh }))
    expect(error).toMatchObject({ step: 'test', left: 'restored', exitCode: 4, detail: 'relay: no' })
    expect(error.message).toBe(`sally: ${fake.folder}/relay test failed (exit 4)`)
    expect(error.hints).toEqual(['live was switched back to version 1 and nothing was reloaded'])
    expect(fake.calls().filter((call) => call.includes('reload'))).toEqual([])
    expect(linksIn(fake)).toEqual(linksTo(1))
  })

  test('are both reloaded with the former version when the second fails to reload', async () => {
    using fake = twoServices()
    fake.lay(one)
    fake.relayWill(`[ "$1" != reload ] || ${isFormer(fake)} || { echo 'relay: stuck'; exit 7; }`)
    const error = await nodeFailure(bring(fake, {}, { sh }))
    expect(error).toMatchObject({ step: 'reload', left: 'restored', exitCode: 7, detail: 'relay: stuck' })
    expect(error.message).toBe(`sally: ${fake.folder}/relay reload failed (exit 7)`)
    const reload = ['systemctl reload nginx', 'relay reload']
    const tests = ['nginx -t', 'relay test']
    expect(fake.calls()).toEqual([...tests, ...tests, ...reload, ...tests, ...reload])
    expect(linksIn(fake)).toEqual(linksTo(1))
  })

  test('leave a person to do when one can be reloaded with neither version', async () => {
    using fake = twoServices()
    fake.lay(one)
    fake.relayWill('[ "$1" != reload ] || { echo stuck; exit 1; }')
    const error = await nodeFailure(bring(fake, {}, { sh }))
    expect(error).toMatchObject({ step: 'reload', left: 'degraded', detail: 'stuck\nstuck' })
    expect(error.hints[0]).toContain(
      `done && nginx -t && ${fake.folder}/relay test && systemctl reload nginx && `,
    )
    expect(linksIn(fake)).toEqual(linksTo(1))
  })

  test('are touched only where both were right before', async () => {
    using fake = twoServices()
    fake.lay(one)
    const before = snapshot(fake.root, { times: false })
    fake.relayWill('[ "$1" != test ] || { echo broken; exit 1; }')
    expect(await nodeFailure(bring(fake, {}, { sh }))).toMatchObject({
      message: `sally: ${fake.folder}/relay test fails on the node as it is, before anything was touched`,
      step: 'baseline',
      left: 'unchanged',
      detail: 'broken',
    })
    fake.relayWill('')
    fake.will('status', 'echo inactive; exit 3')
    expect((await nodeFailure(bring(fake, {}, { sh }))).message).toBe(
      'sally: nginx is not running, and certs never starts it',
    )
    expect(snapshot(fake.root, { times: false })).toEqual(before)
  })

  test('are tested and reloaded as far as they read the certificate', async () => {
    using fake = twoServices()
    fake.lay(one)
    fake.will('test', 'exit 1')
    fake.will('status', 'echo inactive; exit 3')
    await bring(fake, { services: ['relay'] }, { sh })
    expect(fake.calls()).toEqual(['relay test', 'relay test', 'relay reload'])
    expect(linksIn(fake)).toEqual(linksTo(2))
  })

  test('are told each by itself, and what one says that passes is not told', async () => {
    using fake = twoServices()
    fake.relayWill('echo "password = secret"')
    fake.will('test', 'echo "nginx: no"; exit 1')
    let said = ''
    const shell = fake.shell({ sh })
    const heard = {
      ...shell,
      run: async (input: string) => {
        const answer = await shell.run(input)
        said = answer.stdout
        return answer
      },
    }
    const { services } = await inspect(heard, fake.node, [])
    expect(services).toEqual({
      nginx: {
        unit: 'nginx',
        installed: true,
        running: true,
        combined: false,
        test: { command: 'nginx -t', ok: false, output: 'nginx: no' },
      },
      relay: {
        unit: 'relay',
        installed: true,
        running: true,
        combined: false,
        test: { command: `${fake.folder}/relay test`, ok: true, output: '' },
      },
    })
    expect(said).not.toContain('secret')
    fake.relayWill('echo why; exit 2')
    const failing = (await inspect(shell, fake.node, [])).services
    expect(failing['relay']?.test).toMatchObject({ ok: false, output: 'why' })
    expect(failing['nginx']?.test.output).toBe('nginx: no')
  })
})

describe('whether a service runs', () => {
  const unitOf = async (name: string, reload: readonly string[], status: string) => {
    using fake = fakeNode({
      services: { [name]: { test: ['true'], reload, combined: false, endpoints: [] } },
    })
    fake.will('status', status)
    return (await inspect(fake.shell(), fake.node, [])).services[name]
  }

  test.each([
    ['the unit of its reload is active', 'relay', ['systemctl', 'reload', 'exim4'], 'echo active', true],
    ['the unit of its reload is not', 'relay', ['systemctl', 'reload', 'exim4'], 'echo inactive', false],
    ['a process bears its name', 'caddy', ['caddy', 'reload'], 'echo active', false],
    ['nobody can know', 'relay', ['/opt/relay', 'reload'], 'echo inactive', true],
  ] as const)('is judged where %s', async (_, name, reload, status, running) => {
    expect(await unitOf(name, reload, status)).toMatchObject({ running })
  })

  test('is asked of the unit by its own name', async () => {
    const status = 'shift; case $* in exim4) echo active ;; *) echo inactive ;; esac'
    expect(await unitOf('relay', ['systemctl', 'reload', 'exim4'], status)).toMatchObject({
      running: true,
      unit: 'exim4',
    })
  })
})

describe('the installed program', () => {
  test('takes an order for some of the services that root wrote down', async () => {
    using fake = twoServices()
    fake.lay(one)
    await install(sealedShell(fake), fake.node, { ...order, services: ['relay'] })
    expect(fake.calls()).toEqual(['relay test', 'relay test', 'relay reload'])
  })

  test.each([
    [
      'a service that is not written down',
      { other: { test: ['true'], reload: ['id'], endpoints: [] } },
      'service',
    ],
    [
      'the words of one service under the name of another',
      { nginx: { test: ['nginx', '-t'], reload: ['id'] } },
      'reload',
    ],
  ] as const)('takes no order for %s', async (_, services, what) => {
    using fake = twoServices()
    fake.lay(one)
    const before = snapshot(fake.root)
    const more = Object.entries(services).map(([name, service]) => [
      name,
      { combined: false, endpoints: [], ...service },
    ])
    const node: Node = { ...fake.node, services: { ...fake.node.services, ...Object.fromEntries(more) } }
    const shell = sealedShell(fake)
    const error = await nodeFailure(install(shell, node, order))
    expect(error).toMatchObject({ step: 'lock', left: 'unchanged' })
    expect(error.message).toBe(
      what === 'service'
        ? 'sally: its login takes no other service than root wrote down there, and the configuration has other'
        : 'sally: its login takes no other nginx.reload than root wrote down there, and the configuration has another',
    )
    expect(fake.calls()).toEqual([])
    expect(snapshot(fake.root)).toEqual(before)
  })

  test('changes nothing by an order that names no service', async () => {
    using fake = twoServices()
    fake.lay(one)
    const before = snapshot(fake.root)
    const bare: Node = { ...fake.node, services: {} }
    await expect(install(sealedShell(fake), bare, order)).rejects.toMatchObject({ left: 'unchanged' })
    expect(snapshot(fake.root)).toEqual(before)
  })
})
