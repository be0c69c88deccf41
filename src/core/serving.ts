import type { Certificate } from './certificate.ts'
import type { Endpoint, Node } from './node.ts'

/** What reads certificates on a node, and how it is made to read them anew. */
export interface Service {
  /** Argument lists, never shell text. */
  readonly test: readonly string[]
  readonly reload: readonly string[]
  /** Where it speaks TLS. */
  readonly endpoints: readonly Endpoint[]
  /** It reads fullchain and key in one file, `live/NAME/combined.pem`. */
  readonly combined: boolean
}

/** By name, in the order in which they are tested and reloaded. */
export type Services = Readonly<Record<string, Service>>

export interface KnownService extends Pick<Service, 'test' | 'reload'> {
  /** Where it speaks TLS unless told. */
  readonly port: number
  readonly combined?: boolean
  /** The endpoints of a node, which are for the web, are not its own. */
  readonly mail?: boolean
}

/** As Debian's packages have them. A service of another name is one of the user's own. */
export const knownServices: Readonly<Record<string, KnownService>> = {
  nginx: { test: ['nginx', '-t'], reload: ['systemctl', 'reload', 'nginx'], port: 443 },
  haproxy: {
    test: ['haproxy', '-c', '-f', '/etc/haproxy/haproxy.cfg'],
    reload: ['systemctl', 'reload', 'haproxy'],
    port: 443,
    combined: true,
  },
  apache: { test: ['apachectl', '-t'], reload: ['systemctl', 'reload', 'apache2'], port: 443 },
  caddy: {
    test: ['caddy', 'validate', '--config', '/etc/caddy/Caddyfile', '--adapter', 'caddyfile'],
    // Its unit is left hanging in its reload by a configuration that is refused.
    reload: ['caddy', 'reload', '--config', '/etc/caddy/Caddyfile', '--adapter', 'caddyfile', '--force'],
    port: 443,
  },
  postfix: {
    test: ['postfix', 'check'],
    // Debian's unit reloads by doing nothing, and has another one do it afterwards.
    reload: ['postfix', 'reload'],
    port: 25,
    mail: true,
  },
  dovecot: { test: ['doveconf', '-n'], reload: ['systemctl', 'reload', 'dovecot'], port: 993, mail: true },
}

/** Those of a node that read a certificate; all of them unless it names some. */
export function servicesFor(node: Node, { services }: Pick<Certificate, 'services'>): Services {
  if (!services) return node.services
  return Object.fromEntries(Object.entries(node.services).filter(([name]) => services.includes(name)))
}

/** Where a node shall serve a certificate, each endpoint once. */
export function endpointsFor(node: Node, certificate: Pick<Certificate, 'services'>): readonly Endpoint[] {
  return endpointsOf(servicesFor(node, certificate))
}

/** Where a URL can be fetched: mail is spoken elsewhere. */
export function httpEndpointsFor(
  node: Node,
  certificate: Pick<Certificate, 'services'>,
): readonly Endpoint[] {
  const mailPorts = [465, 993, 995]
  return endpointsFor(node, certificate).filter(
    ({ port, starttls }) => starttls === undefined && !mailPorts.includes(port),
  )
}

/** Of all these services, each once. */
export function endpointsOf(services: Services): readonly Endpoint[] {
  const all = Object.values(services).flatMap(({ endpoints }) => endpoints)
  return [...new Map(all.map((one) => [JSON.stringify(one), one])).values()]
}

/** Whether one of them reads fullchain and key in one file. */
export function wantsCombined(services: Readonly<Record<string, Pick<Service, 'combined'>>>): boolean {
  return Object.values(services).some(({ combined }) => combined)
}

/** `nginx`, `haproxy and nginx`. */
export function sayServices(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

/** The unit of systemd that its reload names; else what the service is called. */
export function unitOf(name: string, service: Service | undefined): string {
  const [program = '', , unit = '-'] = service?.reload ?? []
  return /(^|\/)systemctl$/.test(program) && !unit.startsWith('-') ? unit : name
}
