import type { Service, Services } from '../../src/core/serving.ts'

/** What a node has unless told, with changes to it. */
export function nginxAlone(change: Partial<Service> = {}): Services & { readonly nginx: Service } {
  return {
    nginx: {
      test: ['nginx', '-t'],
      reload: ['systemctl', 'reload', 'nginx'],
      combined: false,
      endpoints: [],
      ...change,
    },
  }
}
