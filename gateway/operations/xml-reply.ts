import type { Static, TSchema } from 'typebox'
import type { Reply } from '../reply.ts'

/** The shape's type, with undefined allowed where a property is optional: undefined elements vanish. */
type Elements<Value> = Value extends readonly (infer Item)[]
  ? readonly Elements<Item>[]
  : Value extends object
    ? {
        readonly [Name in keyof Value]:
          | Elements<Value[Name]>
          | (Pick<Value, Name> extends Required<Pick<Value, Name>> ? never : undefined)
      }
    : Value

/** 200 with an XML body, checked against its shape by the compiler. */
export function xmlReply<Shape extends TSchema>(
  root: string,
  shape: Shape,
  value: Elements<Static<Shape>>,
  headers: Reply['headers'] = {},
): Reply {
  return { status: 200, headers, content: { kind: 'xml', root, shape, value } }
}
