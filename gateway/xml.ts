/**
 * XML in and out by schema: a TypeBox shape is the TypeScript type, the validator and the XML map at once. Arrays are rows of
 * elements of the property's name; `attribute(…)` (shapes.ts) marks a property that stands as an attribute; a root may be a plain
 * string (`<LocationConstraint>`).
 *
 * Reading is fast-xml-parser behind XMLValidator. Writing is a walk over the schema, compiled once per shape: the library's
 * builder took 5.6 ms for a page of 1,000 keys, this takes about 1 ms.
 */

import { XMLParser, XMLValidator } from 'fast-xml-parser'
import Type, { type Static, type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { GatewayError } from './gateway-error.ts'

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'
const XSI = 'http://www.w3.org/2001/XMLSchema-instance'

/**
 * Reads a document whose root is `root`. Elements that the shape does not know are passed over, with or without a namespace
 * (P-089); DOCTYPE and entities of its own are refused. The caller bounds the size (`readSmallBody`).
 * Throws GatewayError MalformedXML (P-090).
 */
export function readXml<Shape extends TSchema>(text: Buffer, root: string, shape: Shape): Static<Shape> {
  const document = parse(text)
  const names = Object.keys(document)
  if (names.length !== 1 || names[0] !== root) throw malformed()
  const value = readValue(document[root], shape)
  if (!validatorOf(shape)(value)) throw malformed()
  // Checked against the schema in the line above, which is what Static<Shape> stands for.
  return value as Static<Shape>
}

/** The whole document with its declaration. `undefined` and empty arrays vanish, `null` is an empty element. */
export function writeXml(root: string, shape: TSchema, value: unknown, namespace = NAMESPACE): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${rootWriter(root, shape, namespace)(value)}`
}

/**
 * Text of an element or attribute. `\r` would come back as `\n` (P-094), other control characters must never stand raw (P-093);
 * XML 1.0 has no way at all to write those, so they go as the references that AWS sends. encoding-type=url is the way round them.
 */
export function escapeXml(text: string): string {
  return AWKWARD.test(text) ? text.replace(AWKWARD_ALL, escapeCharacter) : text
}

const AWKWARD = /[&<>"\u0000-\u0008\u000b-\u001f\ud800-\udfff\ufffe\uffff]/
const AWKWARD_ALL =
  /[&<>"\u0000-\u0008\u000b-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g
const NAMED: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function escapeCharacter(character: string): string {
  return NAMED[character] ?? `&#x${character.charCodeAt(0).toString(16)};`
}

// ---- reading

type Element = { readonly [name: string]: unknown }

function malformed(): GatewayError {
  return new GatewayError('MalformedXML')
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  removeNSPrefix: true,
  parseTagValue: false, // else the key 0123 becomes 123 and 1e5 becomes 100000
  parseAttributeValue: false,
  trimValues: false, // a key may begin or end with spaces
  ignoreDeclaration: true,
  ignorePiTags: true,
  // The library's own decoder knows no numeric references without HTML's, and counts expansions against a limit that a
  // DeleteObjects of 1,000 odd keys reaches. Without a DOCTYPE nothing can expand, so this is all there is to decode.
  entityDecoder: {
    decode: decodeReferences,
    reset() {},
    setXmlVersion() {},
    addInputEntities() {},
    setExternalEntities() {},
  },
})

function parse(text: Buffer): Element {
  let xml: string
  try {
    xml = new TextDecoder('utf-8', { fatal: true }).decode(text).trimStart()
  } catch {
    throw malformed()
  }
  // "<!" begins only comments, CDATA and declarations: a DOCTYPE is refused wherever it is claimed to stand.
  if (/<!(?!--|\[CDATA\[)/.test(xml)) throw malformed()
  if (isFlood(xml)) throw malformed()
  if (XMLValidator.validate(xml) !== true) throw malformed()
  try {
    return parser.parse(xml) as Element
  } catch (error) {
    throw error instanceof GatewayError ? error : malformed()
  }
}

/** CompleteMultipartUpload of 10,000 parts with a checksum each has some 80,000 tags; a tag of S3 has at most two name spaces. */
const TAGS_MAX = 250_000
const TAG_TOO_LONG = /<(?!!)[^<>]{2048}/

/** Looks before anything is parsed: 8 MiB of empty elements or of attributes would hold the event loop for seconds. */
function isFlood(xml: string): boolean {
  if (TAG_TOO_LONG.test(xml)) return true
  let tags = 0
  for (let at = xml.indexOf('<'); at !== -1 && tags <= TAGS_MAX; at = xml.indexOf('<', at + 1)) tags += 1
  return tags > TAGS_MAX
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function decodeReferences(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(/&([^;&]{0,10};)?/g, (_whole, name: string | undefined) => {
    const reference = name?.slice(0, -1) ?? ''
    const character = ENTITIES[reference] ?? numericReference(reference)
    if (character === undefined) throw malformed()
    return character
  })
}

/** `#13`, `#xd`. Control characters are let in: keys hold them, and a client has no other way to name such a key. */
function numericReference(reference: string): string | undefined {
  const digits = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(reference)
  if (digits === null) return undefined
  const point = digits[1] === undefined ? Number(digits[2]) : Number.parseInt(digits[1], 16)
  if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return undefined
  return String.fromCodePoint(point)
}

function readValue(node: unknown, shape: TSchema): unknown {
  if (Array.isArray(node)) throw malformed() // twice what may be there once
  if (Type.IsObject(shape)) return readObject(node, shape.properties)
  const text = textOf(node)
  if (Type.IsInteger(shape) || Type.IsNumber(shape)) return readNumber(text)
  if (Type.IsBoolean(shape)) return readBoolean(text)
  return text
}

function readObject(node: unknown, properties: Readonly<Record<string, TSchema>>): Element {
  const element: Element = isElement(node) ? node : {}
  const value: Record<string, unknown> = {}
  for (const [name, shape] of Object.entries(properties)) {
    const child = element[isAttribute(shape) ? `@${name.slice(name.indexOf(':') + 1)}` : name]
    if (Type.IsArray(shape)) {
      if (child !== undefined || !Type.IsOptional(shape)) value[name] = readRow(child, shape.items)
    } else if (child !== undefined) {
      value[name] = readValue(child, shape)
    }
  }
  return value
}

function readRow(node: unknown, item: TSchema): unknown[] {
  if (node === undefined) return []
  return (Array.isArray(node) ? node : [node]).map((each) => readValue(each, item))
}

/** The text of an element that has no children; an element with attributes keeps its text under #text. */
function textOf(node: unknown): string {
  if (typeof node === 'string') return node
  if (!isElement(node)) throw malformed()
  if (Object.keys(node).some((name) => name !== '#text' && !name.startsWith('@'))) throw malformed()
  const text = node['#text'] ?? ''
  if (typeof text !== 'string') throw malformed()
  return text
}

function isElement(node: unknown): node is Element {
  return typeof node === 'object' && node !== null && !Array.isArray(node)
}

function readNumber(text: string): number {
  if (!/^\s*[+-]?\d{1,19}\s*$/.test(text)) throw malformed()
  return Number(text)
}

function readBoolean(text: string): boolean {
  const word = text.trim()
  if (word !== 'true' && word !== 'false') throw malformed()
  return word === 'true'
}

const validators = new WeakMap<TSchema, (value: unknown) => boolean>()

function validatorOf(shape: TSchema): (value: unknown) => boolean {
  const known = validators.get(shape)
  if (known !== undefined) return known
  const compiled = Compile(shape)
  const check = (value: unknown) => compiled.Check(value)
  validators.set(shape, check)
  return check
}

// ---- writing

/** Writes one value as element (or row of elements) of the name it was made for. */
type Writer = (value: unknown) => string

const rootWriters = new WeakMap<TSchema, Map<string, Writer>>()

function rootWriter(root: string, shape: TSchema, namespace: string): Writer {
  const known = rootWriters.get(shape) ?? new Map<string, Writer>()
  rootWriters.set(shape, known)
  const write = known.get(root) ?? elementWriter(root, shape, ` xmlns="${namespace}"`)
  known.set(root, write)
  return write
}

/** Tags are put together here, once, and not for each of a page's ten thousand elements. */
function elementWriter(name: string, shape: TSchema, attributes = ''): Writer {
  if (Type.IsArray(shape)) return rowWriter(name, shape.items)
  const writeInner = Type.IsObject(shape) ? objectWriter(name, shape.properties, attributes) : undefined
  const begin = `<${name}${attributes}>`
  const end = `</${name}>`
  const empty = `<${name}${attributes}/>`
  return (value) => {
    if (value === undefined) return ''
    if (value === null) return empty
    if (writeInner !== undefined) return writeInner(value)
    return begin + (typeof value === 'string' ? escapeXml(value) : String(value)) + end
  }
}

function rowWriter(name: string, item: TSchema): Writer {
  const write = elementWriter(name, item)
  return (value) => {
    if (value === undefined || value === null) return ''
    if (!Array.isArray(value)) throw new TypeError(`${name}: an array was expected`)
    let text = ''
    for (const each of value) text += write(each)
    return text
  }
}

function objectWriter(name: string, properties: Readonly<Record<string, TSchema>>, inherited: string): Writer {
  const entries = Object.entries(properties)
  const attributes = entries.filter(([, shape]) => isAttribute(shape)).map(([property]) => property)
  const children = entries
    .filter(([, shape]) => !isAttribute(shape))
    .map(([property, shape]) => ({ property, write: elementWriter(property, shape) }))
  const begin = `<${name}${inherited}`
  const end = `</${name}>`
  return (value) => {
    if (!isElement(value)) throw new TypeError(`${name}: an object was expected`)
    let text = begin
    for (const attribute of attributes) text += writeAttribute(attribute, value[attribute])
    text += '>'
    for (const { property, write } of children) text += write(value[property])
    return text + end
  }
}

function writeAttribute(name: string, value: unknown): string {
  if (value === undefined || value === null) return ''
  const declaration = name.startsWith('xsi:') ? ` xmlns:xsi="${XSI}"` : ''
  return `${declaration} ${name}="${escapeXml(String(value)).replaceAll('\n', '&#xa;').replaceAll('\t', '&#x9;')}"`
}

function isAttribute(shape: TSchema): boolean {
  return 'attribute' in shape && shape.attribute === true
}
