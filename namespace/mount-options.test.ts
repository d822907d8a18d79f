import { expect, test } from 'vitest'
import { findMount, identityFaults, mountFaults, readMountInfo, usesAuthSys } from './mount-options.ts'

const nfs = (options: string) =>
  `22 1 8:1 / / rw - ext4 /dev/sda1 rw\n90 22 0:52 / /mnt/global rw,relatime shared:7 - nfs4 10.9.1.1:/ rw,vers=4.2,hard,proto=tcp,local_lock=none,addr=10.9.1.1${options}`
const faultsOf = (options: string, path = '/mnt/global/docs') => {
  const mount = findMount(nfs(options), path)
  return mount === undefined ? undefined : mountFaults(mount).map(({ kind }) => kind)
}

test.each([
  ['names remembered', '', ['stale']],
  ['only what is there remembered', ',lookupcache=pos', ['stale']],
  ['lookupcache=none', ',lookupcache=none', []],
  ['actimeo=0', ',acregmin=0,acregmax=0,acdirmin=0,acdirmax=0', []],
  ['actimeo=1', ',acregmin=1,acregmax=1,acdirmin=1,acdirmax=1', ['stale']],
  ['noac', ',noac,acregmin=0,acregmax=0,acdirmin=0,acdirmax=0', []],
  ['locks of this machine', ',lookupcache=none,local_lock=all', ['locks']],
  ['an old version', ',lookupcache=none,vers=3', ['advice']],
  ['soft', ',lookupcache=none,soft', ['advice']],
])('an NFS mount, %s', (_, options, kinds) => {
  expect(faultsOf(options)).toEqual(kinds)
})

test('each fault says which mount and what to do', () => {
  const mount = findMount(nfs(',soft,nolock,vers=3'), '/mnt/global')
  for (const { sentence } of mount === undefined ? [] : mountFaults(mount))
    expect(sentence).toMatch(/^\/mnt\/global .*\. Mount it /)
})

test('a file system of this machine has none, one that nobody here knows has an advice', () => {
  expect(faultsOf('', '/home')).toEqual([])
  expect(findMount(nfs(''), '/mnt/globally')?.type).toBe('ext4')
  const ceph = findMount('1 0 0:9 / /c rw - ceph host:/ rw', '/c/x')
  expect(ceph && mountFaults(ceph)[0]?.sentence).toContain('ceph')
})

test('a GlusterFS mount is told which options of mount and volume let several gateways agree', () => {
  const gluster = findMount('1 0 0:9 / /g rw - fuse.glusterfs host:/v rw,allow_other', '/g/x')
  expect(gluster && mountFaults(gluster)).toEqual([
    { kind: 'advice', sentence: expect.stringMatching(/^\/g .*\. Mount it with .*attribute-timeout=0.*stat-prefetch/) },
  ])
})

test('the last of the mounts on one point is the one that counts, and blanks in its name are understood', () => {
  const text =
    '1 0 0:9 / /a\\040b rw - xfs /dev/x rw\n2 0 0:10 / /a\\040b rw - nfs4 h:/ rw,lookupcache=none\nnonsense\n'
  expect(findMount(text, '/a b/c')).toMatchObject({ type: 'nfs4', mountPoint: '/a b', device: '0:10' })
})

test('of a path of this machine the kernel says where it lies', async () => {
  expect(await readMountInfo(process.cwd())).toMatchObject({
    type: expect.any(String),
    device: expect.stringMatching(/^\d+:\d+$/),
  })
})

test.each([
  ['nfs4', 'rw,vers=4.2,sec=sys', true],
  ['nfs', 'rw,vers=3', true],
  ['nfs4', 'rw,vers=4.2,sec=krb5p', false],
  ['xfs', 'rw', false],
])('on %s with %s callers are numbers: %s', (type, options, expected) => {
  const mount = findMount(`36 35 0:52 / /mnt/x rw,relatime - ${type} server:/ ${options}`, '/mnt/x')
  expect(mount && usesAuthSys(mount)).toBe(expected)
})

test.each([
  ['nfs4', 'rw,vers=4.2,sec=sys', []],
  ['nfs', 'rw,vers=3', []],
  ['nfs4', 'rw,vers=4.2,sec=krb5', ['refused']],
  ['nfs4', 'rw,vers=4.2,sec=krb5i', ['refused']],
  ['nfs', 'rw,vers=3,sec=krb5p', ['refused']],
  ['cifs', 'rw,sec=krb5,multiuser', ['refused']],
  ['smb3', 'rw', ['refused']],
  ['fuse.glusterfs', 'rw,allow_other', ['unknown']],
  ['fuse', 'rw', ['unknown']],
  ['fuseblk', 'rw', ['unknown']],
  ['fuse.sshfs', 'rw,default_permissions,allow_other', []],
  ['xfs', 'rw', []],
  ['virtiofs', 'rw', []],
])('on %s with %s calls under a uid of a user: %j', (type, options, kinds) => {
  const mount = findMount(`36 35 0:52 / /mnt/x rw,relatime - ${type} server:/ ${options}`, '/mnt/x')
  expect(mount && identityFaults(mount).map(({ kind }) => kind)).toEqual(kinds)
  for (const { sentence } of mount === undefined ? [] : identityFaults(mount))
    expect(sentence).toMatch(/^\/mnt\/x is .*\.$/)
})
