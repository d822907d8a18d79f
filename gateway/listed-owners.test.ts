import { expect, it } from 'vitest'
import { listedOwners } from './listed-owners.ts'
import { alice, bob, directory, fileOwner } from './operations/testing/call-operation.ts'

const shownTo = ({ canonicalId, displayName }: typeof alice) => ({ canonicalId, displayName })

it('files are shown as their users’, others as they are, and each uid is one question', async () => {
  const asked: number[] = []
  const findByUid = (uid: number) => {
    asked.push(uid)
    return directory.findByUid(uid)
  }
  const owners = Array.from(
    { length: 1000 },
    (_, index) => [fileOwner(1001), fileOwner(1002), fileOwner(7), bob][index % 4] ?? bob,
  )
  const shown = await listedOwners(owners, { findByUid })
  expect(owners.slice(0, 4).map(shown)).toEqual([shownTo(alice), shownTo(bob), fileOwner(7), bob])
  expect(asked).toEqual([1001, 1002, 7])
})

it('a directory that fails leaves the uid, and fails nothing', async () => {
  const findByUid = async (uid: number) => {
    if (uid === 7) throw new Error('away')
    return directory.findByUid(uid)
  }
  const shown = await listedOwners([fileOwner(7), fileOwner(1002)], { findByUid })
  expect([fileOwner(7), fileOwner(1002)].map(shown)).toEqual([fileOwner(7), shownTo(bob)])
})

it('a directory that hangs is waited for once, however many uids there are', async () => {
  let asked = 0
  const findByUid = () => {
    asked++
    return new Promise<never>(() => {})
  }
  const owners = Array.from({ length: 1000 }, (_, uid) => fileOwner(uid))
  const begunMs = performance.now()
  const shown = await listedOwners(owners, { findByUid }, { waitMs: 50 })
  expect(performance.now() - begunMs).toBeLessThan(1000)
  expect(owners.map(shown)).toEqual(owners)
  expect(asked).toBeLessThan(100)
})
