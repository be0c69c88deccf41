import { defaultPace } from '../../src/acme/pace.ts'

/** Loaded before the program by `node --import`: it has the deadlines in CERTS_TEST_PACE, JSON, for its own. */
Object.assign(defaultPace, JSON.parse(process.env['CERTS_TEST_PACE'] ?? '{}'))
