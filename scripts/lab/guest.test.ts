import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { requireLab } from './guest.ts'

test.each(['/tmp/checkout', '/run/checkout', '/mnt'])(
  'a checkout at %s, which the guest does not see, is refused',
  async (place) => {
    await expect(requireLab(place)).rejects.toThrow(`does not see ${place}; move the checkout`)
  },
)

test('a machine without the packages is told how to get them', async () => {
  const empty = await mkdtemp(join(tmpdir(), 'causeway-lab-'))
  await expect(requireLab('/home/checkout', [empty])).rejects.toThrow(/^The lab needs linux\.uml.*scripts\/setup-lab/)
  await rm(empty, { recursive: true })
})
