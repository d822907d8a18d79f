import { GatewayError } from '../gateway-error.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const rules: readonly RegExp[] = [
  /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
  /^(?!.*(?:\.\.|\.-|-\.))/,
  /^(?!\d{1,3}(?:\.\d{1,3}){3}$)/,
  /^(?!xn--|sthree-|amzn-s3-demo-)/,
  /(?<!-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/,
]

/** P-179. Only new names are judged: a directory mapped in place may have been named otherwise. Throws InvalidBucketName. */
export function checkBucketName(name: string): void {
  if (!rules.every((rule) => rule.test(name))) throw new GatewayError('InvalidBucketName', { BucketName: name })
}
