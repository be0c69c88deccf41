/** Whether a mode in octal lets group or others write. */
export function isLoose(mode: string): boolean {
  return (Number.parseInt(mode, 8) & 0o022) !== 0
}

/** Whether a mode in octal lets everybody do anything. */
export function isOpen(mode: string): boolean {
  return (Number.parseInt(mode, 8) & 0o007) !== 0
}

/** Whether a folder's mode in octal lets everybody go through. */
export function isPassable(mode: string): boolean {
  return (Number.parseInt(mode, 8) & 0o001) !== 0
}
