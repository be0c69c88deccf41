import type { Services } from '../../src/core/serving.ts'

/** Services as an order and the file that root keeps say them: their names, and each word of their commands by name. */
export function serviceSettings(
  services: Services,
): Record<'service' | 'test' | 'reload', readonly string[]> {
  const words = (of: 'test' | 'reload') =>
    Object.entries(services).flatMap(([name, service]) => service[of].map((word) => `${name} ${word}`))
  return { service: Object.keys(services), test: words('test'), reload: words('reload') }
}

/** Milliseconds until the program must have said a word: it says none between the tests of its services. */
export function patience(services: Services, limit: number): number {
  return (limit * Math.max(1, Object.keys(services).length) + 15) * 1000
}
