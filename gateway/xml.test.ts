import fc from 'fast-check'
import { XMLParser, XMLValidator } from 'fast-xml-parser'
import Type from 'typebox'
import { describe, expect, test } from 'vitest'
import { attribute, CompleteMultipartUpload, Delete, ListBucketResult, Owner, TagSet, timestamp } from './shapes.ts'
import { escapeXml, readXml, writeXml } from './xml.ts'

const read = (text: string) => readXml(Buffer.from(text), 'Delete', Delete)
const malformed = expect.objectContaining({ code: 'MalformedXML' })

describe('reading', () => {
  const one = { Object: [{ Key: 'a' }] }

  test.each([
    '<Delete><Object><Key>a</Key></Object></Delete>',
    '<?xml version="1.0" encoding="UTF-8"?>\n<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a</Key></Object></Delete>',
    '\ufeff<?xml version="1.0"?><Delete><Object><Key>a</Key></Object></Delete>',
    '\n <Delete>\n  <Object>\n    <Key>a</Key>\n  </Object>\n</Delete>\n',
    '<s3:Delete xmlns:s3="http://s3.amazonaws.com/doc/2006-03-01/"><s3:Object><s3:Key>a</s3:Key></s3:Object></s3:Delete>',
    '<Delete><!-- one --><Object><Key>a</Key><Unknown><Deep/></Unknown></Object><Other>1</Other></Delete>',
    '<Delete><Object><Key><![CDATA[a]]></Key></Object></Delete>',
    '<Delete><Object><Key x="1">a</Key></Object></Delete>',
  ])('P-089: %j', (text) => {
    expect(read(text)).toEqual(one)
  })

  test('what looks like a number or has spaces round it stays the key that it is', () => {
    const keys = ['0123', '1e5', '0x1F', ' a b ', '\t', 'true', '__proto__', '-0']
    const objects = keys.map((key) => `<Object><Key>${key}</Key></Object>`).join('')
    expect(read(`<Delete>${objects}</Delete>`).Object.map(({ Key }) => Key)).toEqual(keys)
  })

  test('P-093, P-094: references are decoded, control characters too; CDATA is not', () => {
    const key = (text: string) => read(`<Delete><Object><Key>${text}</Key></Object></Delete>`).Object[0]?.Key
    expect(key('&amp;&lt;&gt;&quot;&apos;&#13;&#xD;&#1;&#x1F600;')).toBe('&<>"\'\r\r\u0001😀')
    expect(key('&amp;amp;#13;')).toBe('&amp;#13;')
    expect(key('<![CDATA[&amp;]]>&amp;')).toBe('&amp;&')
  })

  test('integers and booleans are read as such', () => {
    const text =
      '<Delete><Object><Key>a</Key><Size> 12 </Size></Object><Object><Key>b</Key></Object><Quiet>true</Quiet></Delete>'
    expect(read(text)).toEqual({ Object: [{ Key: 'a', Size: 12 }, { Key: 'b' }], Quiet: true })
  })

  test('an absent row is an empty one where the shape allows it', () => {
    expect(
      readXml(Buffer.from('<CompleteMultipartUpload/>'), 'CompleteMultipartUpload', CompleteMultipartUpload),
    ).toEqual({ Part: [] })
  })

  test('attributes are read whatever their prefix', () => {
    const Grantee = Type.Object({ 'xsi:type': attribute(Type.String()), ID: Type.Optional(Type.String()) })
    const text = `<Grantee xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="CanonicalUser"><ID>a&amp;b</ID></Grantee>`
    expect(readXml(Buffer.from(text), 'Grantee', Grantee)).toEqual({ 'xsi:type': 'CanonicalUser', ID: 'a&b' })
  })

  test.each([
    '',
    'text',
    '<Delete>',
    '<Delete><Object></Delete>',
    '<Delete><Object><Key>a</Key></Object></Delete><Delete/>',
    '<Other><Object><Key>a</Key></Object></Other>',
    '<Delete/>',
    '<Delete><Object/></Delete>',
    '<Delete><Object><Key/></Object></Delete>',
    '<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>',
    '<Delete><Object><Key><b/></Key></Object></Delete>',
    '<Delete><Object><Key>a</Key><Size>1.5</Size></Object></Delete>',
    '<Delete><Object><Key>a</Key><Size></Size></Object></Delete>',
    '<Delete><Object><Key>a</Key></Object><Quiet>yes</Quiet></Delete>',
    '<Delete><Object><Key>&nbsp;</Key></Object></Delete>',
    '<Delete><Object><Key>a & b</Key></Object></Delete>',
    '<Delete><Object><Key>&#xD800;</Key></Object></Delete>',
    '<Delete><Object><Key>&#x110000;</Key></Object></Delete>',
  ])('P-090: %j is MalformedXML', (text) => {
    expect(() => read(text)).toThrow(malformed)
  })

  test('P-089: DOCTYPE and entities are refused, wherever they claim to stand', () => {
    const bomb = `<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>`
    const file = `<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>`
    for (const prolog of [bomb, file, '<!doctype d>', '<!DOCTYPE d SYSTEM "http://127.0.0.1/">']) {
      expect(() => read(`${prolog}<Delete><Object><Key>a</Key></Object></Delete>`)).toThrow(malformed)
      expect(() => read(`<Delete>${prolog}<Object><Key>a</Key></Object></Delete>`)).toThrow(malformed)
    }
  })

  test('bytes that are not UTF-8 are malformed', () => {
    const text = Buffer.concat([
      Buffer.from('<Delete><Object><Key>'),
      Buffer.from([0xff]),
      Buffer.from('</Key></Object></Delete>'),
    ])
    expect(() => readXml(text, 'Delete', Delete)).toThrow(malformed)
  })

  test('P-148: a thousand keys are read, one more is malformed', () => {
    const of = (count: number) => `<Delete>${'<Object><Key>&#13;&amp;</Key></Object>'.repeat(count)}</Delete>`
    expect(read(of(1000)).Object).toHaveLength(1000)
    expect(() => read(of(1001))).toThrow(malformed)
  })

  test('floods of attributes or of elements are refused before they are parsed; 10,000 parts are no flood', () => {
    const attributes = Array.from({ length: 1000 }, (_, index) => `a${index}="b"`).join(' ')
    expect(() => read(`<Delete ${attributes}><Object><Key>a</Key></Object></Delete>`)).toThrow(malformed)
    expect(() => read(`<Delete><Object><Key>a</Key></Object>${'<x/>'.repeat(250_000)}</Delete>`)).toThrow(malformed)
    const part = '<Part><PartNumber>1</PartNumber><ETag>"e"</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>'
    const text = Buffer.from(`<CompleteMultipartUpload>${part.repeat(10_000)}</CompleteMultipartUpload>`)
    expect(readXml(text, 'CompleteMultipartUpload', CompleteMultipartUpload).Part).toHaveLength(10_000)
  })

  test('nesting without end is refused, not followed', () => {
    expect(() => read(`${'<a>'.repeat(50_000)}${'</a>'.repeat(50_000)}`)).toThrow(malformed)
  })
})

describe('writing', () => {
  test('a document has a declaration and the namespace on its root', () => {
    expect(writeXml('Owner', Owner, { ID: 'a', DisplayName: 'b' })).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<Owner xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ID>a</ID><DisplayName>b</DisplayName></Owner>',
    )
  })

  test('P-101: undefined and empty rows vanish, booleans are lower-case', () => {
    const text = writeXml('ListBucketResult', ListBucketResult, {
      Name: 'b',
      Prefix: '',
      Marker: undefined,
      MaxKeys: 0,
      IsTruncated: false,
      Contents: [],
      CommonPrefixes: [{ Prefix: 'p/' }],
    })
    expect(text.slice(text.indexOf('<Name>'))).toBe(
      '<Name>b</Name><Prefix></Prefix><MaxKeys>0</MaxKeys><IsTruncated>false</IsTruncated><CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListBucketResult>',
    )
  })

  test('null is an empty element, an object of empty rows too', () => {
    const shape = Type.Object({ A: Type.Union([Type.String(), Type.Null()]), TagSet })
    expect(writeXml('R', shape, { A: null, TagSet: { Tag: [] } })).toContain('><A/><TagSet></TagSet></R>')
  })

  test('a root may be a plain string, empty for us-east-1 (P-099)', () => {
    expect(writeXml('LocationConstraint', Type.String(), '')).toMatch(/<LocationConstraint xmlns="[^"]*"><\/LocationC/)
  })

  test('attributes stand in their element, with their namespace', () => {
    const Grantee = Type.Object({ 'xsi:type': attribute(Type.String()), URI: Type.String() })
    expect(writeXml('Grantee', Grantee, { 'xsi:type': 'Group"&', URI: 'u' })).toContain(
      ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group&quot;&amp;"><URI>u</URI></Grantee>',
    )
  })

  test('P-093, P-094: carriage returns and control characters never stand raw', () => {
    expect(escapeXml('a\rb\u0001c\u0000d&<>"\n\t\ufffe\ud800')).toBe(
      'a&#xd;b&#x1;c&#x0;d&amp;&lt;&gt;&quot;\n\t&#xfffe;&#xd800;',
    )
    expect(escapeXml('😀é')).toBe('😀é')
  })

  test('P-099: time stamps count seconds, so that XML is never later than the header', () => {
    expect(timestamp(new Date('2026-11-20T21:50:56.987Z'))).toBe('2026-11-20T21:50:56.000Z')
  })
})

describe('round trip', () => {
  const awkward = fc.oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
    fc.string({
      unit: fc.constantFrom(
        '&',
        '<',
        '>',
        '"',
        "'",
        '\r',
        '\n',
        '\t',
        ' ',
        ';',
        '#',
        ']',
        '\u0001',
        '\u007f',
        '\u0085',
        '\u2028',
      ),
      minLength: 1,
      maxLength: 12,
    }),
  )
  const tags = fc.array(fc.record({ Key: awkward, Value: awkward }), { maxLength: 4 })

  test('whatever is written is read back as it was', () => {
    fc.assert(
      fc.property(tags, (Tag) => {
        expect(readXml(Buffer.from(writeXml('TagSet', TagSet, { Tag })), 'TagSet', TagSet)).toEqual({ Tag })
      }),
    )
  })

  test('whatever XML 1.0 can hold is read back by an ordinary parser', () => {
    const parser = new XMLParser({ parseTagValue: false, trimValues: false, htmlEntities: true })
    const legal = awkward.map((text) => text.replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd]/gu, '') || 'x')
    fc.assert(
      fc.property(legal, (ID) => {
        const text = writeXml('Owner', Owner, { ID })
        expect(XMLValidator.validate(text)).toBe(true)
        expect(parser.parse(text).Owner.ID).toBe(ID)
      }),
    )
  })
})
