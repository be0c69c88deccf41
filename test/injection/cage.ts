import { spawn } from 'node:child_process'
import { once } from 'node:events'

export interface Caged {
  /** Paths that are there afterwards, or other than before, wherever in the whole file system. */
  readonly written: readonly string[]
  /** The last lines that were said, and how many answers there were. */
  readonly said: string
  readonly answers: number
}

/**
 * Runs a shell on a copy of this machine's file system of which every change is seen, in namespaces of its own; nothing
 * of it is left. `prepare` is shell text that runs there first.
 */
export async function runCaged(shell: readonly string[], prepare: string, input: string): Promise<Caged> {
  const child = spawn('unshare', [...namespaces, 'sh', '-c', cage, 'sh', prepare, ...shell], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/proc/nowhere' },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let [said, complaints, answers] = ['', '', 0]
  child.stdout.setEncoding('latin1').on('data', (piece: string) => {
    said = (said + piece).slice(-200_000)
    answers += piece.split(/ end (?:ok|failed)\n/).length - 1
  })
  child.stderr
    .setEncoding('latin1')
    .on('data', (piece: string) => (complaints = (complaints + piece).slice(-4_000)))
  child.stdin.on('error', () => undefined).end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  const report = said.split('\n<<< changed\n')[1]
  if (code !== 0 || report === undefined) throw new Error(`the cage broke (${code}): ${complaints}`)
  return { written: report.split('\n').filter((line) => /^[<>] /.test(line)), said, answers }
}

const namespaces = ['--mount', '--pid', '--net', '--fork', '--kill-child=KILL', '--mount-proc']

/** What is written anywhere lands in the upper layer, in /run, in /dev/shm or in /tmp. */
const cage = `
set -e
prepare=$1; shift
work=/mnt; mount -t tmpfs tmpfs $work; mkdir $work/up $work/work $work/root
mount -t overlay overlay -o lowerdir=/,upperdir=$work/up,workdir=$work/work $work/root
for folder in run dev/shm tmp; do [ -d $work/root/$folder ] || mkdir -p $work/root/$folder; done
mount --bind /dev $work/root/dev
for folder in run dev/shm tmp; do mount -t tmpfs tmpfs $work/root/$folder; done
mount -t proc proc $work/root/proc
chroot $work/root sh -c "$prepare" </dev/null
list() { (cd $work/up && find . -printf '%p %y %m %s %T@ %l\\n'; cd $work/root && find run dev/shm tmp -printf '%p %y %m %s %T@ %l\\n') | sort; }
before=$(list)
chroot $work/root "$@" || :
printf '\\n<<< changed\\n'
list >$work/after
printf '%s\\n' "$before" | diff - $work/after || :
`
