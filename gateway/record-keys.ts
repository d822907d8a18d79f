import type { MasterKey } from '#auth'
import type { NamespaceOptions } from '#namespace'

/** A tree keeps the key of its records (namespace/format.ts), whichever line of the master key file that has become since. */
export function recordKeysOf(masterKey: MasterKey): Pick<NamespaceOptions, 'recordKey' | 'formerRecordKeys'> {
  const [, ...former] = masterKey.subkeys('records')
  return { recordKey: masterKey.subkey('records').bytes, formerRecordKeys: former.map(({ bytes }) => bytes) }
}
