export type FileMode = {
  /** Of new files: 0o640. */
  readonly fileMode: number
  /** Of new directories, with an x for each r: 0o750. */
  readonly directoryMode: number
  /** Under which 0o666 becomes `fileMode` and 0o777 `directoryMode`: 0o027. */
  readonly umask: number
}

/** identity.file_mode: `"0640"` → `{ fileMode: 0o640, directoryMode: 0o750, umask: 0o027 }`; throws where the schema would refuse. */
export function parseFileMode(text: string): FileMode {
  // The owner reads and writes; w without r would make directories that can be written to but not searched.
  if (!/^0?6[046]{2}$/.test(text)) throw new Error(`'${text}' is no mode of files such as "0644"`)
  const fileMode = Number.parseInt(text, 8)
  const directoryMode = fileMode | ((fileMode & 0o444) >> 2)
  return { fileMode, directoryMode, umask: 0o777 & ~directoryMode }
}
