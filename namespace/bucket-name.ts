import { isIPv4 } from 'node:net'

const pattern = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
const refused = [/\.\./, /\.-/, /-\./, /^xn--/, /^sthree-/, /-s3alias$/, /--ol-s3$/, /--x-s3$/, /\.mrap$/]

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html (P-179) */
export const isBucketName = (name: string): boolean =>
  pattern.test(name) && !isIPv4(name) && !refused.some((rule) => rule.test(name))
