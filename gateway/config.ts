/** One schema, one TOML file, validated and frozen. */
export type S3Config = {
  readonly region: string
}
