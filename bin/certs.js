#!/usr/bin/env node
// Plain old JavaScript: a Node.js that is too old must still be able to read it and say so.
// No compile cache: for some 15 ms, a writable folder would hold code that root runs, and plan would write.
var needed = 24
var found = process.versions.node

if (Number(found.split('.')[0]) < needed) {
  var problem = 'Node.js ' + found + ' is too old: certs needs ' + needed + ' or later'
  var hint = 'this one is ' + process.execPath + '; newer ones are at https://nodejs.org/en/download'
  process.stderr.write('certs: error: ' + problem + '\ncerts: hint: ' + hint + '\n')
  process.exitCode = 2
} else {
  import('./lib/cli.js')
}
