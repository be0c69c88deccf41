import { expect, test } from 'vitest'
import type { Node } from '../../src/core/node.ts'
import { plainPaint } from '../../src/core/paint.ts'
import { renderSetup, sayNext } from '../../src/core/render-setup.ts'
import { forwardsOf, isSetUp, makeSetup } from '../../src/core/setup.ts'
import type { SetupSeen } from '../../src/core/setup.ts'
import { makeNode } from '../support/sshd.ts'
import { nginxAlone } from '../support/nginx-alone.ts'

const login = (address: string) => ({ address, port: 22, user: 'root', identity: '/k', knownHosts: '/known' })
const sally = makeNode({ ssh: login('203.0.113.13') })
const wishes = { user: 'certs', program: '#!/bin/sh\n:\n', keys: ['ssh-ed25519 AAAA'], forward: [] }

test('what is put on a node, whole', () => {
  const { files } = makeSetup(sally, { ...wishes, keys: ['ssh-ed25519 AAAA', 'ssh-rsa BBBB'] })
  const listed = Object.values(files).map(({ path, mode, text }) => `${mode} ${path}\n${text}`)
  expect(`\n${listed.join('\n')}`).toMatchInlineSnapshot(`
    "
    755 /usr/local/lib/certs/node
    #!/bin/sh
    :

    644 /usr/local/lib/certs/pinned
    root /etc/letsencrypt
    service nginx
    test nginx nginx
    test nginx -t
    reload nginx systemctl
    reload nginx reload
    reload nginx nginx

    755 /usr/local/lib/certs/login
    #!/bin/sh
    # Whatever is asked for, this starts the one program that takes the orders of certs.
    PATH=/usr/bin:/bin:/usr/local/bin
    exec sudo -n /usr/local/lib/certs/node

    440 /etc/sudoers.d/certs
    Defaults:certs env_reset, !requiretty
    certs ALL=(root) NOPASSWD: /usr/local/lib/certs/node ""

    644 /usr/local/lib/certs/.ssh/authorized_keys
    restrict,command="sudo -n /usr/local/lib/certs/node" ssh-ed25519 AAAA certs
    restrict,command="sudo -n /usr/local/lib/certs/node" ssh-rsa BBBB certs
    "
  `)
})

test('forwarding is allowed to what is reached through the node, and to nothing else', () => {
  const forward = [
    { address: '127.0.0.1', port: 443 },
    { address: '::1', port: 8443 },
    { address: '127.0.0.1', port: 443 },
  ]
  expect(makeSetup(sally, { ...wishes, forward }).files.keys.text).toBe(
    'restrict,port-forwarding,permitopen="127.0.0.1:443",permitopen="[::1]:8443",permitlisten="127.0.0.1:1",' +
      'command="sudo -n /usr/local/lib/certs/node" ssh-ed25519 AAAA certs\n',
  )
})

test('through a node are reached its own endpoints via ssh, and what it is the jump host of', () => {
  const through: Node = {
    ...sally,
    services: nginxAlone({
      endpoints: [
        { address: '203.0.113.13', port: 443, via: 'direct' },
        { address: '127.0.0.1', port: 443, via: 'ssh' },
      ],
    }),
  }
  const hop = (name: string, address: string) => ({ name, ...login(address) })
  const behind = makeNode({ name: 'esme', ssh: login('10.0.0.2'), jump: [hop('sally', '203.0.113.13')] })
  const far = makeNode({
    name: 'far',
    ssh: login('10.0.0.3'),
    jump: [hop('sally', '203.0.113.13'), hop('middle', '10.0.0.9')],
  })
  const elsewhere = makeNode({ name: 'other', ssh: login('10.0.0.4'), jump: [hop('bastion', '192.0.2.1')] })
  expect(forwardsOf(through, [through, behind, far, elsewhere])).toEqual([
    { address: '127.0.0.1', port: 443 },
    { address: '10.0.0.2', port: 22 },
    { address: '10.0.0.9', port: 22 },
  ])
  expect(forwardsOf(sally, [sally])).toEqual([])
})

test('what is missing or differs is marked, and shown in full', () => {
  const parts = {
    program: 'differs',
    pinned: 'same',
    login: 'same',
    sudoers: 'missing',
    keys: 'same',
  } as const
  const seen: SetupSeen = { account: 'same', parts }
  expect(isSetUp(seen)).toBe(false)
  expect(`\n${renderSetup(makeSetup(sally, wishes), seen, plainPaint)}`).toMatchInlineSnapshot(`
    "
    sally: a login that can hand orders to certs' program there, and do nothing else
      =  user certs                                      no password, and /usr/local/lib/certs/login for a shell
      ~  /usr/local/lib/certs/node                  755  the program that runs as root
      =  /usr/local/lib/certs/pinned                644  what no order can say otherwise
      =  /usr/local/lib/certs/login                 755  the shell of certs, which is none
      +  /etc/sudoers.d/certs                       440  the only thing it may do as root
      =  /usr/local/lib/certs/.ssh/authorized_keys  644  who may log in, and to what

    /usr/local/lib/certs/node: 2 lines of sh, sha256 2900bba778551107d4e757bdf23e08315985ea7195d1f82b784f13d21bb16d10; --script prints them

    /etc/sudoers.d/certs:
        Defaults:certs env_reset, !requiretty
        certs ALL=(root) NOPASSWD: /usr/local/lib/certs/node ""
    "
  `)
})

test('all that is the same is set up; one part that is not, or no user, is not', () => {
  const parts = { program: 'same', pinned: 'same', login: 'same', sudoers: 'same', keys: 'same' } as const
  expect(isSetUp({ account: 'same', parts })).toBe(true)
  expect(isSetUp({ account: 'missing', parts })).toBe(false)
  for (const part of Object.keys(parts)) {
    expect(isSetUp({ account: 'same', parts: { ...parts, [part]: 'differs' } })).toBe(false)
  }
})

test('what is left to do is said, until it is done', () => {
  const configured = { ...sally, sudo: true }
  const to = { user: 'certs', identity: '/home/ops/.ssh/certs' }
  expect(sayNext({ login: to, configured, as: sally, sameKey: true }).join('\n')).toMatchInlineSnapshot(`
    "Next, in the configuration: nodes: { 'sally': { …, user: 'certs', sudo: false, identity: '/home/ops/.ssh/certs' } }, or once for all nodes under ssh
    Then: certs check
    The same key still opens root on sally. When certs check passes, take it out there, or use another:
      ssh-keygen -t ed25519 -f ~/.ssh/certs -N '' && certs nodes setup sally --key ~/.ssh/certs.pub --apply"
  `)
  const done = { ...sally, ssh: { ...sally.ssh, ...to } }
  expect(sayNext({ login: to, configured: done, as: sally, sameKey: false })).toEqual([])
})
