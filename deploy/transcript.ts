import { StringDecoder } from 'node:string_decoder'

/** What one session says. Everything before the marker line is noise of the login (.bashrc, a banner). */
export interface Transcript {
  /** Takes a piece of standard output; false when the cap is passed. */
  out(piece: Buffer): boolean
  err(piece: Buffer): boolean
  /** The shell has run its first line. */
  readonly started: boolean
  readonly noise: string
  readonly stdout: string
  readonly stderr: string
  /** `onPiece` for whatever comes from now on; `onLine` for each line of `stdout`, those that have come too. */
  listen(listeners: Listeners): void
}

interface Listeners {
  readonly onPiece: () => void
  readonly onLine?: ((line: string) => void) | undefined
}

const capBytes = 256 * 1024

export function createTranscript(marker: string): Transcript {
  const [outDecoder, errDecoder] = [new StringDecoder('utf8'), new StringDecoder('utf8')]
  let [noise, stdout, stderr] = ['', '', '']
  let [bytes, told] = [0, 0]
  let started = false
  let listeners: Listeners | undefined

  function begin(): void {
    const at = `\n${noise}`.indexOf(`\n${marker}\n`)
    if (at < 0) return
    started = true
    stdout = noise.slice(at + marker.length + 1)
    noise = noise.slice(0, at)
  }

  function tell(): void {
    const { onLine } = listeners ?? {}
    if (!onLine) return
    for (let end = stdout.indexOf('\n', told); end >= 0; end = stdout.indexOf('\n', told)) {
      const line = stdout.slice(told, end)
      told = end + 1
      onLine(line)
    }
  }

  return {
    out(piece) {
      listeners?.onPiece()
      bytes += piece.length
      if (bytes > capBytes) return false
      const text = outDecoder.write(piece)
      if (started) stdout += text
      else {
        noise += text
        begin()
      }
      tell()
      return true
    },
    err(piece) {
      listeners?.onPiece()
      bytes += piece.length
      if (bytes > capBytes) return false
      stderr += errDecoder.write(piece)
      return true
    },
    get started() {
      return started
    },
    get noise() {
      return noise
    },
    get stdout() {
      return stdout
    },
    get stderr() {
      return stderr
    },
    listen(given) {
      listeners = given
      tell()
    },
  }
}
