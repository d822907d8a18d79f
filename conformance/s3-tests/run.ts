/**
 * The public suite ceph/s3-tests against the whole product: S3_TESTS=<checkout> npm run conformance:s3-tests [-- <pytest arguments>]
 *
 * Starts a gateway with the users the suite needs on a tree of its own, runs the selection of causeway_s3tests.py, prints counts, and
 * compares with baseline.txt: a test that is listed there and does not pass any more fails the run. `--update-baseline` adds the new passes.
 * `--lifecycle` runs the tests of lifecycle rules instead, whose days are two seconds long.
 * The checkout stays outside of this project; S3_TESTS_SCHEME=http runs the leg without TLS, S3_TESTS_ROOT names another tree to serve than
 * one of its own: an empty directory on a mount. The one test that names its region is run on a second gateway, in eu-central-1;
 * S3_TESTS_REGION is another region than us-east-1 for all.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { execa } from 'execa'
import { compareWithBaseline } from './baseline.ts'
import { makePython } from './python.ts'
import { type SuiteGateway, startSuiteGateway } from './suite-gateway.ts'

const here = import.meta.dirname
const baselineFile = join(here, 'baseline.txt')

const checkout = process.env.S3_TESTS
if (checkout === undefined) {
  console.error(
    'S3_TESTS is not set; it names a checkout of ceph/s3-tests at commit 8f0ae7b404a3a2fcf7038bf1e6bf29544fe9b6a3.',
  )
  process.exit(1)
}

const [updates, ofLifecycle] = ['--update-baseline', '--lifecycle'].map((flag) => process.argv.includes(flag))
const pytestArguments = process.argv.slice(2).filter((each) => !['--update-baseline', '--lifecycle'].includes(each))

const suite = resolve(checkout)
const python = await makePython(suite)
const region = process.env.S3_TESTS_REGION ?? 'us-east-1'
const root = process.env.S3_TESTS_ROOT
const isWhole = pytestArguments.length === 0 && !ofLifecycle

/** us-east-1 is the region that must not be named (P-181), and the only one whose semantics the suite's others take. */
const namesItsRegion = ['s3tests/functional/test_s3.py::test_bucket_get_location']

const first = await run(region, root, pytestArguments.length > 0 ? pytestArguments : ['s3tests/functional'])
const second = isWhole && region === 'us-east-1' ? await runElsewhere('eu-central-1', namesItsRegion) : {}
const baseline = await readFile(baselineFile, 'utf8').catch(() => '')
const comparison = compareWithBaseline({ ...first, ...second }, baseline, isWhole)
console.log(comparison.report)
if (updates) await writeFile(baselineFile, comparison.updated)
process.exitCode = comparison.lost.length > 0 ? 1 : 0

/** On a tree of its own, below the one that was named. */
async function runElsewhere(place: string, tests: readonly string[]): Promise<object> {
  const below = root === undefined ? undefined : join(root, place)
  if (below !== undefined) await mkdir(below)
  return run(place, below, tests)
}

/** {node id: outcome}, of a gateway that is started for it. */
async function run(ofRegion: string, ofRoot: string | undefined, tests: readonly string[]): Promise<object> {
  const scheme = process.env.S3_TESTS_SCHEME === 'http' ? 'http' : 'https'
  const gateway = await startSuiteGateway({ scheme, region: ofRegion, root: ofRoot })
  try {
    const results = join(gateway.directory, 'results.json')
    await runPytest(gateway, ofRegion, tests, results)
    const outcomes: unknown = JSON.parse(await readFile(results, 'utf8'))
    return Object(outcomes)
  } finally {
    await gateway.stop()
  }
}

async function runPytest(
  gateway: SuiteGateway,
  ofRegion: string,
  tests: readonly string[],
  results: string,
): Promise<void> {
  const options = [
    '-p',
    'causeway_s3tests',
    `--causeway=${ofLifecycle ? 'lifecycle' : 'gate'}`,
    `--causeway-json=${results}`,
    '--timeout=120',
    '-q',
    '--tb=line',
  ]
  await execa(python, ['-m', 'pytest', ...options, ...tests], {
    cwd: suite,
    stdio: ['ignore', 'inherit', 'inherit'],
    // Failures are counted below; pytest's own exit code says no more.
    reject: false,
    env: {
      PYTHONPATH: here,
      PYTHONDONTWRITEBYTECODE: '1',
      S3TEST_CONF: gateway.configuration,
      SSL_CERT_FILE: gateway.authority,
      AWS_MAX_ATTEMPTS: '1',
      // The suite's S3 clients name none.
      AWS_DEFAULT_REGION: ofRegion,
    },
  })
}
