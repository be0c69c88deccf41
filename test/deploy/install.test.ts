import { describe, expect, test } from 'vitest'
import { install, rollback } from '../../deploy/install.ts'
import { fakeNode, shells } from '../support/fake-node.ts'
import { issueVersion } from '../support/issue-version.ts'

const certificate = 'media.hachyderm.io'
const [one, two] = await Promise.all([1, 2].map((number) => issueVersion(certificate, number)))
if (!one || !two) throw new Error('no versions')
const order = { certificate, version: two, forceReload: false, onStep: () => {} }

describe.for(shells)('on %s', (sh) => {
  test('installs a version, tells each step, and rolls back to the former one', async () => {
    using fake = fakeNode()
    fake.lay(one)
    const shell = fake.shell({ sh })
    const steps: string[] = []
    const installed = await install(shell, fake.node, { ...order, onStep: (step) => steps.push(step) })
    expect(steps).toEqual(['locked', 'staged', 'switched', 'tested', 'reloaded'])
    expect(installed).toMatchObject({ outcome: 'installed', former: 1, lineage: { pair: 'matches' } })
    const back = await rollback(shell, fake.node, { certificate, number: 1 })
    expect(back).toMatchObject({ outcome: 'installed', former: 2 })
    expect(back.lineage.live.privkey).toMatchObject({ number: 1 })
  })
})
