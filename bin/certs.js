#!/usr/bin/env node
// Plain old JavaScript: a Node.js that is too old must still be able to read it and say so.
var needed = 24
var found = process.versions.node

if (Number(found.split('.')[0]) < needed) {
  process.stderr.write(
    'certs: error: Node.js ' + found + ' is too old: certs needs ' + needed + ' or later\n' +
    'certs: hint: this one is ' + process.execPath + '; newer ones are at https://nodejs.org/en/download\n'
  )
  process.exitCode = 2
} else {
  import('./lib/cli.js')
}
