/**
 * A few hundred texts that have broken shells, options, paths and terminals elsewhere. Each one that a shell
 * would run makes the file `canary`.
 */
export function hostileTexts(canary: string): string[] {
  const act = `touch ${canary}`
  const commands = [
    `$(${act})`,
    `\`${act}\``,
    `; ${act};`,
    `&& ${act}`,
    `|| ${act}`,
    `| ${act}`,
    `& ${act} &`,
    `>${canary}`,
    `>>${canary}`,
    `<>${canary}`,
    `\n${act}\n`,
    `\r\n${act}\r\n`,
    `'; ${act}; '`,
    `"; ${act}; "`,
    `\\"; ${act}; \\"`,
    `\${x:-$(${act})}`,
    `$((a[$(${act})]))`,
    `a[$(${act})]`,
    `<(${act})`,
    `{${act},}`,
    `END\n${act}`,
    `)\n${act}\n(`,
    `};${act};{`,
    `#\n${act}`,
    `end x\n${act}`,
    `eval ${act}`,
    `() { :; }; ${act}`,
    `@(${act})`,
    `~root/$(${act})`,
    `!${act}`,
    `test ${act}`,
    `root /\nroot $(${act})`,
  ]
  const around = ['', '/', '/etc/', 'a', '-', '--', '.', '../', ' ', "'", '"', '\\']
  // prettier-ignore
  const words = [
    '', ' ', '  x  ', '\t', '*', '?', '[a-z]*', '~', '~root', '.', '..', '../..', '/', '//', '/..', './x',
    '-', '--', '-n', '-e', '-rf', '--help', '--version', '-oProxyCommand=id', '-c', '-eval', '@file', '=', 'a=b',
    "'", '"', "''", '""', `'"'"'`, '\\', '\\\\', '\\n', '\\0', '\\x41', '\\0101', '%s', '%n', '%d%d%d', '%', '$',
    '$$', '$?', '$0', '$*', '$IFS', '${IFS}', '$PATH', 'ünïcödé', '\u202e\u202d', '\u0000', '\u0007', '\u001b[2J',
    '\u001b]8;;x\u0007', '\u009b31m', '\ufeff', '💥', '\u2028', 'x'.repeat(4096), 'a b'.repeat(500),
    `${'../'.repeat(200)}etc`, '999999999999999999999', '-1', '0', '00', '1e9', '0x10', '08', 'true', 'false', 'null',
    'END', 'EOF', 'end', 'token', 'main', 'say end ok', 'a\tb', 'a\u0000b', 'trailing\\', 'trailing\n',
  ]
  return [...commands.flatMap((command) => around.map((before) => before + command)), ...words]
}
