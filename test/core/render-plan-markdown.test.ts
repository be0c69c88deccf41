import { describe, expect, test } from 'vitest'
import { makePlan } from '../../src/core/make-plan.ts'
import { renderPlanMarkdown } from '../../src/core/render-plan-markdown.ts'
import type { Observed } from '../../src/core/observed.ts'
import * as fleet from '../support/observed.ts'

const challenge = {
  identifier: fleet.name,
  name: `_acme-challenge.${fleet.name}`,
  zone: 'hachyderm.io',
  provider: 'home',
}

function plan(observed: Observed) {
  return makePlan({ certificates: [fleet.certificate], rollout: fleet.rollout, forceRenew: false }, observed)
}

describe('a plan as Markdown', () => {
  test('the night of the incident, with a node left out and a refusal', () => {
    const output = 'nginx: [emerg] ```\nnginx: test failed'
    const nginx = fleet.serviceState({ test: { command: 'nginx -t', ok: false, output } })
    const esme = {
      ...fleet.nodeAt(2),
      inspection: fleet.inspection(fleet.lineage(2), { services: { nginx } }),
    }
    const observed = fleet.observe({ ...fleet.fleetAt(2), esme }, [], { challenges: [challenge] })
    const unsafe = { message: 'the plan was refused: it would lose 1 name', hints: ['run it with --force'] }
    expect(renderPlanMarkdown(plan(observed), { unsafe, file: '/root/tonight.json' })).toMatchInlineSnapshot(`
      "### certs plan, 2026-11-23 12:00 UTC

      **Plan: 1 version to issue, 3 nodes to change, 1 node left out: first cdn-frankfurt-1, then cdn-fremont-1 and sally.**

      > **Refused:** the plan was refused: it would lose 1 name
      >
      > - \`run it with --force\`

      #### media.hachyderm.io

      - issue version 3, because no version is stored here
      - media.hachyderm.io: TXT \\_acme-challenge.media.hachyderm.io in zone hachyderm.io, by home

      | Node | Change | Because |
      | --- | --- | --- |
      | cdn-frankfurt-1 | version 2 → 3 | it serves a certificate by R10, expired 10 hours ago |
      | cdn-fremont-1 | version 2 → 3 | it serves a certificate by R10, expired 10 hours ago |
      | sally | version 2 → 3 | it serves a certificate by R10, expired 10 hours ago |
      | esme | blocked | nginx -t already fails, before any change of ours |

      > **Not right:** esme: nginx -t already fails, before any change of ours
      >
      > \`\`\`\`
      > nginx: [emerg] \`\`\`
      > nginx: test failed
      > \`\`\`\`
      >
      > - \`mend the nginx configuration on the node first\`

      To do just this: \`certs apply --plan /root/tonight.json\`"
    `)
  })

  test('all right: a sentence', () => {
    const observed = fleet.observe(fleet.fleetAt(3), [fleet.version(3)])
    expect(renderPlanMarkdown(plan(observed))).toBe(
      '### certs plan, 2026-11-23 12:00 UTC\n\n**No changes. media.hachyderm.io is version 3 on 4 nodes, valid until 2027-02-21 11:00 UTC.**',
    )
  })

  test('a hint is code, to be copied as it stands', () => {
    const observed = fleet.observe(fleet.fleetAt(3), [fleet.version(3)])
    const hints = ['ssh -v root@203.0.113.11', '`a` <b> | c']
    const said = renderPlanMarkdown(plan(observed), { unsafe: { message: 'no', hints } })
    expect(said).toContain('> **Refused:** no\n>\n> - `ssh -v root@203.0.113.11`\n> - `` `a` <b> | c ``')
  })

  test.each([
    ['HTML', '<img src=x onerror=alert(1)>', String.raw`\<img src=x onerror=alert(1)\>`],
    ['a table cell', 'a | b', String.raw`a \| b`],
    ['a link', '[x](https://evil.example)', String.raw`\[x\](https\://evil.example)`],
    ['a bare link', 'www.evil.example', String.raw`www\.evil.example`],
    ['a mention', '@everyone', '@&#8203;everyone'],
    ['an entity', '&lt;b&gt;', String.raw`\&lt;b\&gt;`],
    ['emphasis', '**_a_** ~b~', String.raw`\*\*\_a\_\*\* \~b\~`],
    ['code', '`a`', String.raw`\`a\``],
    ['a backslash before', String.raw`\<b>`, String.raw`\\\<b\>`],
    ['lines', 'a\n\n# b\r\nc', String.raw`a; \# b; c`],
    ['escape sequences', '\u001b[31mred\u202e', 'red'],
  ])('what a served certificate says is plain text: %s', (_what, issuer, text) => {
    const served = { [fleet.name]: [fleet.served(fleet.leafOf(2, { issuer }))] }
    const sally = { inspection: fleet.inspection(fleet.lineage(2)), served }
    const observed = fleet.observe({ ...fleet.fleetAt(2), sally }, [fleet.version(3)])
    expect(renderPlanMarkdown(plan(observed))).toContain(
      `| sally | version 2 → 3 | it serves a certificate by ${text}, expired 10 hours ago |`,
    )
  })
})
