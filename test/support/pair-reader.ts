import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** What a reader saw of `live/NAME`, in looks. */
export interface Sight {
  readonly looks: number
  /** A path that was not there, or led nowhere. */
  readonly missing: number
  /** A file without its end. */
  readonly partial: number
  /** Key and fullchain of different versions. */
  readonly mixed: number
  /** The directory was out of place before the look at it was over, and is empty by now. */
  readonly outlived: number
  /** How often another version was seen than the look before. */
  readonly switches: number
}

export interface Sights {
  /** Opens the directory, then the files from there, as `openat` does. */
  readonly pinned: Sight
  /** Opens one file after the other by its whole path, as nginx does. */
  readonly byPath: Sight
}

export interface PairReader extends AsyncDisposable {
  /** What it has seen until now; it ends. */
  stop(): Promise<Sights>
}

/**
 * A process that does nothing but look at the pair, as fast as it can, in both ways by turns. The first line of a file
 * says `version N`.
 */
export async function startPairReader(live: string): Promise<PairReader> {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'perl', '-e', reader, live], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (said += piece))
  const ended = once(child, 'close')
  while (!said.startsWith('ready\n')) {
    if (child.exitCode !== null) throw new Error(`the reader ended (${child.exitCode})`)
    await Promise.race([once(child.stdout, 'data'), ended])
  }
  return {
    async stop() {
      child.kill('SIGTERM')
      await ended
      return JSON.parse(said.slice(6)) as Sights
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

const reader = `
use strict;
my $live = shift;
my %seen;
for my $way ('pinned', 'byPath') {
  $seen{$way}{$_} = 0 for 'looks', 'missing', 'partial', 'mixed', 'outlived', 'switches';
}
my $stop = 0;
$SIG{TERM} = sub { $stop = 1 };
$| = 1;
print "ready\\n";

# The number in the first line; undef for no file, 0 for a part of one.
sub number {
  open(my $file, '<', $_[0]) or return undef;
  local $/;
  my $text = <$file>;
  return 0 unless $text =~ /-----END [A-Z ]+-----\\n\\z/;
  return $text =~ /\\Aversion ([0-9]+)\\n/ ? $1 : 0;
}

# Whether the directory that we are in has left its place.
sub moved {
  my ($here, $there) = ((stat '.')[1], (stat $live)[1]);
  return defined $there && $here != $there;
}

my %before;
until ($stop) {
  for my $way ('pinned', 'byPath') {
    my $sight = $seen{$way};
    my $folder = $way eq 'pinned' ? '.' : $live;
    $sight->{looks}++;
    if ($way eq 'pinned' && !chdir $live) { $sight->{missing}++; next }
    my $key = number("$folder/privkey.pem");
    my $chain = defined $key ? number("$folder/fullchain.pem") : undef;
    if (!defined $chain) { $sight->{$way eq 'pinned' && moved() ? 'outlived' : 'missing'}++; next }
    if (!$key || !$chain) { $sight->{partial}++; next }
    if ($key != $chain) { $sight->{mixed}++; next }
    $sight->{switches}++ if defined $before{$way} && $before{$way} != $key;
    $before{$way} = $key;
  }
}
my $told = join ',', map {
  my $way = $_;
  "\\"$way\\":{" . join(',', map { "\\"$_\\":$seen{$way}{$_}" } sort keys %{ $seen{$way} }) . '}';
} sort keys %seen;
print "{$told}\\n";
`
