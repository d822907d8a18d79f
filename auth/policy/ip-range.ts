/** IPv4 and IPv6 addresses and CIDR ranges: RFC 4632, RFC 4291. */
import { isIPv4, isIPv6 } from 'node:net'

export type IpRange = { readonly bits: 32 | 128; readonly address: bigint; readonly prefix: number }

/** `203.0.113.0/24`, `2001:db8::/32`, or an address alone; bits beyond the prefix may be set. */
export function parseIpRange(text: string): IpRange | undefined {
  const [addressText = '', prefixText, ...more] = text.split('/')
  const address = parseAddress(addressText)
  if (address === undefined || more.length > 0) return undefined
  if (prefixText === undefined) return { ...address, prefix: address.bits }
  if (!/^\d{1,3}$/.test(prefixText) || Number(prefixText) > address.bits) return undefined
  return { ...address, prefix: Number(prefixText) }
}

/** @param text an address; anything else is in no range */
export function isInRange({ bits, address, prefix }: IpRange, text: string): boolean {
  const asked = parseAddress(text)
  if (asked === undefined || asked.bits !== bits) return false
  const shift = BigInt(bits - prefix)
  return asked.address >> shift === address >> shift
}

/** An IPv4 address written as `::ffff:192.0.2.1`, as a dual-stack socket does, is that IPv4 address. */
function parseAddress(text: string): Omit<IpRange, 'prefix'> | undefined {
  if (isIPv4(text)) return { bits: 32, address: fromBytes(text) }
  if (!isIPv6(text) || text.includes('%')) return undefined
  const address = fromGroups(text)
  return address >> 32n === 0xffffn ? { bits: 32, address: address & 0xffffffffn } : { bits: 128, address }
}

function fromBytes(text: string): bigint {
  return text.split('.').reduce((value, byte) => (value << 8n) | BigInt(byte), 0n)
}

function fromGroups(text: string): bigint {
  const [head = '', tail] = text.split('::')
  const front = groupsOf(head)
  const back = tail === undefined ? [] : groupsOf(tail)
  const zeros = Array<bigint>(8 - front.length - back.length).fill(0n)
  return [...front, ...zeros, ...back].reduce((value, group) => (value << 16n) | group, 0n)
}

/** "2001:db8" → two groups; "ffff:192.0.2.1" → three. */
function groupsOf(text: string): bigint[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [BigInt(`0x${group}`)]
    const address = fromBytes(group)
    return [address >> 16n, address & 0xffffn]
  })
}
