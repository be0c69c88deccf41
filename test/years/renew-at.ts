import { renewAt } from './dated-run.ts'

/** One run as a process of its own, that can be killed. Arguments: milliseconds, path of the configuration. */
const [at = '', config = ''] = process.argv.slice(2)
const { stdout, stderr, exitCode } = await renewAt({ at: Number(at), config })
process.stdout.write(stdout)
process.stderr.write(stderr)
process.exitCode = exitCode
