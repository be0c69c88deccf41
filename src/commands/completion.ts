import { ConfigError } from '../core/errors.ts'
import { exitCode } from './command.ts'
import type { Command } from './command.ts'

const verbs = [
  'plan',
  'apply',
  'rollout',
  'rollback',
  'renew',
  'status',
  'verify',
  'history',
  'check',
  'audit',
  'prune',
  'replace',
  'revoke',
  'export',
  'account',
  'state',
  'nodes',
  'providers',
  'init',
  'completion',
]
const options = ['--config', '--state', '--json', '--help']

const scripts: Readonly<Record<string, string>> = {
  bash: `_certs() {
  local current=\${COMP_WORDS[COMP_CWORD]}
  if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W '${verbs.join(' ')}' -- "$current"))
  elif [ "$COMP_CWORD" -eq 2 ] && [ "\${COMP_WORDS[1]}" = account ]; then COMPREPLY=($(compgen -W 'create rotate' -- "$current"))
  elif [ "$COMP_CWORD" -eq 2 ] && [ "\${COMP_WORDS[1]}" = state ]; then COMPREPLY=($(compgen -W 'seal unseal' -- "$current"))
  elif [ "$COMP_CWORD" -eq 2 ] && [ "\${COMP_WORDS[1]}" = nodes ]; then COMPREPLY=($(compgen -W 'trust setup adopt' -- "$current"))
  else COMPREPLY=($(compgen -W '${options.join(' ')}' -- "$current")); fi
}
complete -o default -F _certs certs
`,
  zsh: `#compdef certs
_arguments '1:command:(${verbs.join(' ')})' '*:argument:(${options.join(' ')})'
`,
  fish: `complete -c certs -n __fish_use_subcommand -f -a '${verbs.join(' ')}'
complete -c certs -n '__fish_seen_subcommand_from account' -f -a 'create rotate'
complete -c certs -n '__fish_seen_subcommand_from state' -f -a 'seal unseal'
complete -c certs -n '__fish_seen_subcommand_from nodes' -f -a 'trust setup adopt'
${options.map((option) => `complete -c certs -l ${option.slice(2)}`).join('\n')}
`,
}

export const command: Command = {
  help: `certs completion SHELL — completion for bash, zsh or fish

Examples
  certs completion bash > /etc/bash_completion.d/certs
  certs completion zsh > "\${fpath[1]}/_certs"
  certs completion fish > ~/.config/fish/completions/certs.fish
`,
  options: {},
  operands: ['SHELL'],
  run({ operands: [shell] }, io) {
    const script = scripts[shell!]
    if (!script)
      throw new ConfigError(`no completion for the shell "${shell}"`, {
        hint: 'bash, zsh and fish are known',
      })
    io.stdout.write(script)
    return Promise.resolve(exitCode.done)
  },
}
