import type { App } from '../app.ts'
import { createProgress } from '../progress.ts'
import type { Progress, ProgressOptions } from '../progress.ts'
import type { Io } from '../io.ts'
import type { Invocation } from './command.ts'

/** Opens the application for one command, with progress shown meanwhile; both are closed when `act` ends. */
export async function withApp<Result>(
  invocation: Invocation,
  io: Io,
  act: (app: App, progress: Progress) => Promise<Result>,
  shown: ProgressOptions = {},
): Promise<Result> {
  const progress = createProgress(io, shown)
  try {
    const { openApp } = await import('../app.ts')
    const options = {
      config: invocation.value('config'),
      state: invocation.value('state'),
      emit: progress.emit,
    }
    await using app = await openApp(io, options)
    return await act(app, progress)
  } finally {
    progress.close()
  }
}
