/** The way to an object as `ls -ld` shows each part of it, with what a user may do there, as lines for a person. */
import type { ObjectPath, PathComponent, PosixIdentity } from '#namespace'
import { type FileNeed, type FileRight, fileRights } from './file-rights.ts'

/** Who decides about files: config-schema.ts, `identity.enforcement`. */
export type Enforcement = 'service' | 'kernel'

export type AskedOfFiles = {
  /** Who the calls would run as; undefined: nobody that is known here. */
  readonly who: PosixIdentity | undefined
  readonly path: ObjectPath
  readonly need: FileNeed
  readonly enforcement: Enforcement
}

export function modeLines({ who, path, need, enforcement }: AskedOfFiles): readonly string[] {
  const notAsked = enforcement === 'service' ? ' (not asked: enforcement is service)' : ''
  const rows =
    who === undefined
      ? path.components.map((component) => ({ component, text: '-' }))
      : fileRights(who, path, need).map((right) => ({ component: right.component, text: textOf(right) }))
  const ownerWidth = Math.max(...rows.map(({ component }) => ownerOf(component).length))
  const textWidth = Math.max(...rows.map(({ text }) => text.length))
  return [
    `mode bits${notAsked}:`,
    ...rows.map(({ component, text }) =>
      ['', modeOf(component), ownerOf(component).padEnd(ownerWidth), text.padEnd(textWidth), component.path].join('  '),
    ),
    ...(endings[path.kind] ?? []),
  ]
}

const endings: Readonly<Partial<Record<ObjectPath['kind'], readonly string[]>>> = {
  partial: ['  there is no object of this key'],
  hidden: ['  further down this account may not look'],
}

export type ModeRefusal = {
  /** Absolute; has the object key in it. */
  readonly path: string
  /** `drwxr-x--- 990:990` */
  readonly mode: string
  /** `other may not search` */
  readonly text: string
}

/** The first part of the way that refuses; undefined: none does. */
export function findModeRefusal({ who, path, need }: AskedOfFiles): ModeRefusal | undefined {
  if (who === undefined) return undefined
  const refusing = fileRights(who, path, need).find(({ answer }) => answer !== 'yes')
  if (refusing === undefined) return undefined
  const { component } = refusing
  return { path: component.path, mode: `${modeOf(component)} ${ownerOf(component)}`, text: textOf(refusing) }
}

const texts: Readonly<Record<FileRight['answer'], (right: FileRight) => string>> = {
  yes: ({ by, wanted, component }) => (wanted.length === 0 ? unasked(component) : `${by} may ${wanted.join(' and ')}`),
  no: ({ by, missing }) => `${by} may not ${missing.join(' and ')}`,
  sticky: () => 'kept by the sticky bit of its directory',
}

const textOf = (right: FileRight): string => texts[right.answer](right)

const unasked = ({ type }: PathComponent): string => (type === 'symlink' ? 'a link, never followed' : 'not asked')

const ownerOf = ({ uid, gid }: PathComponent): string => `${uid}:${gid}`

const typeLetters: Readonly<Record<PathComponent['type'], string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  other: '?',
}

/** Setuid, setgid and sticky stand in the place of their class's x: `drwxrws--T`. */
const special = [
  { bit: 0o4000, letter: 's' },
  { bit: 0o2000, letter: 's' },
  { bit: 0o1000, letter: 't' },
] as const

/** As ls shows it: `drwxr-x---+`, with + for an ACL. */
export function modeOf({ type, mode, acl }: PathComponent): string {
  const classes = special.map(({ bit, letter }, index) => {
    const given = mode >> (6 - 3 * index)
    const executes = (given & 1) !== 0
    const last = (mode & bit) === 0 ? (executes ? 'x' : '-') : executes ? letter : letter.toUpperCase()
    return `${given & 4 ? 'r' : '-'}${given & 2 ? 'w' : '-'}${last}`
  })
  return `${typeLetters[type]}${classes.join('')}${acl === undefined ? '' : '+'}`
}
