import { expect, test } from 'vitest'
import { readNginxUse } from '../../src/core/nginx-configuration.ts'
import type { ConfigurationFile, Directive } from '../../src/core/nginx-configuration.ts'

/** One directive a line, as the node tells them: `http {`, `}`, or words. */
function file(path: string, text: string): ConfigurationFile {
  const directives = text.split('\n').flatMap((raw, index): Directive[] => {
    const line = index + 1
    const words = raw.trim().split(/ +/)
    if (words[0] === '') return []
    if (words[0] === '}') return [{ kind: 'shut' }]
    return words[1] === '{' ? [{ kind: 'open', line, name: words[0]! }] : [{ kind: 'set', line, words }]
  })
  return { path, directives }
}

/** `file:line names: certificates | keys`. */
function said(...files: ConfigurationFile[]): string[] {
  return readNginxUse(files).servers.map(
    ({ module, file: path, line, names, certificates, keys, isDefault }) =>
      `${module} ${path.replace('/etc/nginx/', '')}:${line} ${isDefault ? 'default ' : ''}${names.join(' ')}: ${certificates.map((one) => one.path).join(' ')} | ${keys.map((one) => one.path).join(' ')}`,
  )
}

test('what is included stands where the include does, once for each', () => {
  const main = file('/etc/nginx/nginx.conf', 'http {\ninclude sites/*\n}\nstream {\ninclude stream.d/*\n}')
  const site = file('/etc/nginx/sites/a', 'server {\nserver_name a.example\ninclude snippets/tls.conf\n}')
  const other = file('/etc/nginx/sites/b', 'server {\nserver_name b.example\ninclude snippets/tls.conf\n}')
  const mail = file(
    '/etc/nginx/stream.d/mail',
    'server {\nlisten 993 ssl\nssl_certificate /m.pem\nssl_certificate_key /m.key\n}',
  )
  const tls = file(
    '/etc/nginx/snippets/tls.conf',
    'listen 443 ssl\nssl_certificate tls/a.pem\nssl_certificate_key tls/a.key',
  )
  expect(said(main, site, other, mail, tls)).toEqual([
    'http sites/a:1 a.example: /etc/nginx/tls/a.pem | /etc/nginx/tls/a.key',
    'http sites/b:1 b.example: /etc/nginx/tls/a.pem | /etc/nginx/tls/a.key',
    'stream stream.d/mail:1 : /m.pem | /m.key',
  ])
})

test('a server takes what it does not say from around it, also from what stands further down or elsewhere', () => {
  const main = file(
    '/etc/nginx/nginx.conf',
    `http {
       server {
         listen 443 ssl default_server
         server_name _
       }
       server {
         listen 443 ssl
         server_name OWN.example
         ssl_certificate /own.pem
       }
       include tls.conf
     }`,
  )
  const tls = file('/etc/nginx/tls.conf', 'ssl_certificate /all.pem\nssl_certificate_key /all.key')
  expect(said(main, tls)).toEqual([
    'http nginx.conf:2 default _: /all.pem | /all.key',
    'http nginx.conf:6 own.example: /own.pem | /all.key',
  ])
})

test.each([
  ['listen 443 ssl', 1],
  ['listen [::]:443 http2 ssl', 1],
  ['listen 443 quic', 1],
  ['ssl on', 1],
  ['starttls only', 1],
  ['listen 443', 0],
  ['listen 8443', 1],
  ['listen *:8443', 1],
  ['ssl off', 0],
  ['starttls off', 0],
])('a server with %s speaks TLS: %i', (line, servers) => {
  const text = `http {\nserver {\nlisten 8443 ssl\nssl_certificate /x.pem\n}\nserver {\n${line}\nserver_name it\nssl_certificate /it.pem\n}\n}`
  expect(said(file('/etc/nginx/nginx.conf', text)).filter((one) => one.includes(' it:'))).toHaveLength(
    servers,
  )
})

test('quotes and backslashes are taken as nginx takes them; variables stay', () => {
  const text = String.raw`http {
    server {
      listen 443 ssl
      server_name "~^(?<sub>.+)\.x$" 'b.example' c\.d
      ssl_certificate "/a\"b.pem"
      ssl_certificate_key $keys/k.pem
    }
  }`
  expect(said(file('/etc/nginx/nginx.conf', text))).toEqual([
    String.raw`http nginx.conf:2 ~^(?<sub>.+)\.x$ b.example c\.d: /a"b.pem | $keys/k.pem`,
  ])
})

test('every file of certificates is named, those of clients and upstreams too', () => {
  const text =
    'http {\nproxy_ssl_certificate_key up.key\nserver {\nlisten 80\nserver_name a.example\nssl_client_certificate /ca.pem\n}\n}'
  const use = readNginxUse([file('/etc/nginx/nginx.conf', text)])
  expect(use.files.map(({ directive, path }) => `${directive} ${path}`)).toEqual([
    'proxy_ssl_certificate_key /etc/nginx/up.key',
    'ssl_client_certificate /ca.pem',
  ])
  expect(use.names).toEqual([{ name: 'a.example', at: { file: '/etc/nginx/nginx.conf', line: 3 } }])
  expect(use.servers).toEqual([])
})

test('files that include themselves come to an end', () => {
  const files = [
    file('/etc/nginx/nginx.conf', 'http {\ninclude loop\nserver {\nlisten 443 ssl\nssl_certificate /a\n}\n}'),
    file('/etc/nginx/loop', 'include loop'),
  ]
  expect(said(...files)).toHaveLength(1)
  expect(said()).toEqual([])
})

test('files that include all files end too, in no time', () => {
  const files = Array.from({ length: 30 }, (_, index) =>
    file(`/etc/nginx/f${index}`, 'include f*\ninclude f*'),
  )
  const began = performance.now()
  said(...files)
  expect(performance.now() - began).toBeLessThan(2000)
})
