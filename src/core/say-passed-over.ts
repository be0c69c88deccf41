import type { PassedOver } from './plan.ts'

/** `Let's Encrypt was passed over: the CA refuses until 2026-11-24 10:00 UTC: too many certificates`. */
export function sayPassedOver({ name, because }: PassedOver): string {
  return `${name} was passed over: ${because}`
}
