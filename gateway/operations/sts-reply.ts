import Type, { type Static, type TObject } from 'typebox'
import type { Reply } from '../reply.ts'
import { STS_NAMESPACE } from '../sts-error.ts'

/** 200 as AWS's query protocol has it: `<XResponse><XResult>…</XResult><ResponseMetadata><RequestId/>`. */
export function stsReply<Shape extends TObject>(
  action: string,
  shape: Shape,
  result: Static<Shape>,
  requestId: string,
): Reply {
  const response = responseShape(action, shape)
  const value = { [`${action}Result`]: result, ResponseMetadata: { RequestId: requestId } }
  // Answers may hold keys: nobody on the way keeps them.
  const headers = { 'cache-control': 'no-store' }
  const content = { kind: 'xml', root: `${action}Response`, namespace: STS_NAMESPACE, shape: response, value } as const
  return { status: 200, headers, content }
}

function responseShape(action: string, shape: TObject): TObject {
  return Type.Object({ [`${action}Result`]: shape, ResponseMetadata: Type.Object({ RequestId: Type.String() }) })
}
