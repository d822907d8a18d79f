import { expect, it } from 'vitest'
import { parseFileMode } from './file-mode.ts'

const octal = (mode: number) => mode.toString(8).padStart(4, '0')

it.each([
  ['0644', '0644', '0755', '0022'],
  ['0640', '0640', '0750', '0027'],
  ['0660', '0660', '0770', '0007'],
  ['0664', '0664', '0775', '0002'],
  ['0666', '0666', '0777', '0000'],
  ['600', '0600', '0700', '0077'],
])('%s makes files %s and directories %s, by the umask %s', (text, file, directory, mask) => {
  const { fileMode, directoryMode, umask } = parseFileMode(text)
  expect([octal(fileMode), octal(directoryMode), octal(umask)]).toEqual([file, directory, mask])
  expect([octal(0o666 & ~umask), octal(0o777 & ~umask)]).toEqual([file, directory])
})

it.each(['', '0', '0444', '0244', '0755', '0645', '0642', '04644', '01644', '0o644', '0888', '644 ', '-644', '0064'])(
  '"%s" is no mode of files: the owner reads and writes, nobody executes, no set-id bits',
  (text) => expect(() => parseFileMode(text)).toThrow('no mode of files'),
)
