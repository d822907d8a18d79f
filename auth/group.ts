/** A group of the directory. `sid` in a Windows domain, where names change. */
export type Group = { readonly name: string; readonly sid?: string | undefined }
