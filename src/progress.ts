import { channel } from 'node:diagnostics_channel'
import type { Emit, Event } from './core/event.ts'
import { colourPaint, plainPaint } from './core/paint.ts'
import type { Paint } from './core/paint.ts'
import { sayEvent } from './core/say-event.ts'
import type { Saying } from './core/say-event.ts'
import type { Io } from './io.ts'

/** Shows events on standard error as they come: lines that move on a terminal, one plain line each elsewhere. */
export interface Progress {
  readonly emit: Emit
  /** Takes the moving lines away, so that other text can follow; later events begin new ones. */
  readonly clear: () => void
  readonly close: () => void
}

const events = channel('certs:event')

export interface ProgressOptions {
  /** Where nobody watches: of all events, only warnings are shown. */
  readonly quiet?: boolean
}

export function createProgress(io: Io, { quiet = false }: ProgressOptions = {}): Progress {
  const { emit, clear, close } = io.stderr.isTTY ? movingLines(io) : plainLines(io, quiet)
  return {
    emit(event) {
      // The published event is what an observer in this process may listen to; it is synchronous.
      events.publish(event)
      emit(event)
    },
    clear,
    close,
  }
}

export function choosePaint(io: Io, stream: { readonly isTTY?: boolean }): Paint {
  return stream.isTTY && !io.env['NO_COLOR'] && io.env['TERM'] !== 'dumb' ? colourPaint : plainPaint
}

function plainLines({ stderr }: Io, quiet: boolean): Progress {
  return {
    emit(event) {
      if (quiet && event.kind !== 'warning') return
      const saying = sayEvent(event)
      if (saying) stderr.write(`${saying.subject}: ${saying.text}\n`)
    },
    clear() {},
    close() {},
  }
}

interface Line extends Saying {
  readonly since: number
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

function movingLines(io: Io): Progress {
  const { stderr } = io
  const paint = choosePaint(io, stderr)
  const lines = new Map<string, Line>()
  let frame = 0
  let drawn = 0

  const draw = (): void => {
    frame = (frame + 1) % frames.length
    const columns = stderr.columns ?? 80
    const width = Math.max(0, ...[...lines.keys()].map((subject) => subject.length))
    const text = [...lines.values()].map(
      (line) => `${sayLine(line, { paint, width, columns, frame })}\x1b[K\n`,
    )
    stderr.write(`${up(drawn)}${text.join('')}`)
    drawn = lines.size
  }
  const erase = (): void => {
    if (drawn > 0) stderr.write(`${up(drawn)}\x1b[J`)
    drawn = 0
  }
  const clear = (): void => {
    erase()
    lines.clear()
  }
  const timer = setInterval(draw, 80)
  timer.unref()
  // What is said about a signal comes next, above the lines.
  for (const signal of [io.signal, io.urgent]) signal.addEventListener('abort', erase)

  return {
    emit(event: Event) {
      const saying = sayEvent(event)
      if (!saying) return
      const since = lines.get(saying.subject)?.since ?? performance.now()
      lines.set(saying.subject, { ...saying, since })
      draw()
    },
    clear,
    close() {
      clearInterval(timer)
      for (const signal of [io.signal, io.urgent]) signal.removeEventListener('abort', erase)
      clear()
    },
  }
}

function up(rows: number): string {
  return rows === 0 ? '' : `\x1b[${rows}A\r`
}

interface Look {
  readonly paint: Paint
  readonly width: number
  readonly columns: number
  readonly frame: number
}

function sayLine({ subject, text, state, since }: Line, { paint, width, columns, frame }: Look): string {
  const sign =
    state === 'busy'
      ? paint('cyan', frames[frame]!)
      : state === 'good'
        ? paint('green', '✓')
        : paint('red', '✗')
  const elapsed = state === 'busy' ? ` ${((performance.now() - since) / 1000).toFixed(1)} s` : ''
  const room = Math.max(10, columns - width - elapsed.length - 6)
  return `${sign} ${subject.padEnd(width)}  ${text.slice(0, room)}${paint('dim', elapsed)}`
}
