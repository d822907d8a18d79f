import { listArmed, removeArmedDirectories } from './fence.ts'
import { isErrno } from './file-errors.ts'
import { keyPath } from './key-path.ts'
import { assemblyName, join, nameOf, parentOf, uploadIdOfAssembly } from './layout.ts'
import { type Place, within } from './place.ts'

/** Relative to the bucket, in the target's own directory. */
export const uploadTemporaries = (key: string, uploadId: string): { assembly: string; final: string } => {
  const assembly = join(parentOf(keyPath(key).path), assemblyName(uploadId))
  return { assembly, final: `${assembly}-final` }
}

/**
 * As the service: the assembly is a file of whoever sent the first part.
 *
 * Also before an object goes that a Complete has published and may have been killed over: its temporary then has a second name, or was
 * never needed since the key is a directory's. While it is there and the object is not, the upload looks pending; a repeated Complete would
 * bring back what a client has deleted.
 */
export async function removeTemporaries(place: Place, key: string, uploadId: string): Promise<void> {
  const { assembly, final } = uploadTemporaries(key, uploadId)
  const armed = (await listArmed(place, key)).filter((path) => uploadIdOfAssembly(nameOf(path)) === uploadId)
  for (const path of [within(place, assembly), within(place, final), ...armed]) {
    await place.service.unlink(path).catch((error: unknown) => {
      if (!isErrno(error, 'ENOTDIR', 'ENOENT')) throw error
    })
  }
  await removeArmedDirectories(place, key)
}
