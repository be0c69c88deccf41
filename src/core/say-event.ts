import { sayInstant } from './duration.ts'
import type { Event } from './event.ts'
import { sayServices } from './serving.ts'
import { sayPassedOver } from './say-passed-over.ts'

/** Whom an event is about, and what it says, for a line or a cell. `undefined`: not worth a word. */
export interface Saying {
  /** A node's name or a certificate's. */
  readonly subject: string
  readonly text: string
  readonly state: 'busy' | 'good' | 'bad'
}

export function sayEvent(event: Event): Saying | undefined {
  switch (event.kind) {
    case 'account-key-stored':
      return busy(new URL(event.directory).host, 'new account key stored')
    case 'account-rotated':
      return good(new URL(event.directory).host, `account has its new key: ${event.url}`)
    case 'account-created':
      return busy(event.certificate, `account made at the CA: ${event.url}`)
    case 'key-stored':
      return busy(event.certificate, 'key made and stored')
    case 'ca-passed-over': {
      const { ca, because, next } = event
      return bad(event.certificate, `${sayPassedOver({ name: ca, because })}; trying ${next}`)
    }
    case 'order-created':
      return busy(event.certificate, `${event.resumed ? 'order taken up again' : 'order made'}: ${event.url}`)
    case 'txt-created':
      return busy(event.certificate, `TXT ${event.name} made by ${event.provider}`)
    case 'propagation':
      return busy(event.certificate, `TXT seen on ${event.seen} of ${event.servers} name servers`)
    case 'challenge-answered':
      return busy(event.certificate, `challenge for ${event.identifier} answered`)
    case 'finalize-sent':
      return busy(event.certificate, 'order finalized')
    case 'version-stored':
      return good(
        event.certificate,
        `version ${event.number} stored, valid until ${sayInstant(event.notAfter)}`,
      )
    case 'txt-removed':
      return good(event.certificate, `TXT ${event.name} removed`)
    case 'warning':
      return bad(event.certificate, `warning: ${event.message}`)
    case 'node-connecting':
      return busy(event.node, 'connecting')
    case 'node-inspected':
      return busy(event.node, 'inspected')
    case 'node-unreachable':
      return bad(event.node, event.error.message.replace(`${event.node}: `, ''))
    case 'node-installing':
      return busy(event.node, `installing version ${event.number}`)
    case 'node-step':
      return busy(event.node, sayStep(event))
    case 'node-verifying':
      return busy(event.node, 'verifying by handshake')
    case 'node-verified':
      return good(event.node, `serves version ${event.number}`)
    case 'node-rolled-back':
      return bad(event.node, `rolled back to version ${event.number}`)
    case 'node-failed':
      return bad(event.node, event.error.message.replace(`${event.node}: `, ''))
    case 'wave-started':
      return busy(event.certificate, `${sayWave(event)}: ${event.nodes.join(', ')}`)
    case 'going-back':
      return bad(event.certificate, `rolling back, because ${event.because}: ${event.nodes.join(', ')}`)
    case 'halted':
      return bad(
        event.certificate,
        `halted, because ${event.because}; not started: ${event.notStarted.join(', ')}`,
      )
  }
}

function sayStep({ step, services }: Extract<Event, { kind: 'node-step' }>): string {
  switch (step) {
    case 'locked':
      return 'locked'
    case 'staged':
      return 'files staged'
    case 'switched':
      return 'live switched'
    case 'tested':
      return `${sayServices(services)} tested`
    case 'reloaded':
      return `${sayServices(services)} reloaded`
    case 'restored':
      return 'live switched back'
  }
}

function sayWave({ wave, waves, back }: Extract<Event, { kind: 'wave-started' }>): string {
  if (back) return `way back, wave ${wave} of ${waves}`
  return wave === 1 && waves > 1 ? 'canary' : `wave ${wave} of ${waves}`
}

function busy(subject: string, text: string): Saying {
  return { subject, text, state: 'busy' }
}

function good(subject: string, text: string): Saying {
  return { subject, text, state: 'good' }
}

function bad(subject: string, text: string): Saying {
  return { subject, text, state: 'bad' }
}
