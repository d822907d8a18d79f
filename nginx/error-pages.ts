/**
 * What nginx answers by itself, in S3's words (P-008): HTML would break every client, and a bare status tells nobody anything.
 * A worker's own errors pass untouched.
 */

type Page = {
  readonly codes: readonly number[]
  /** What the client gets, where that is another than nginx's. */
  readonly status?: number
  readonly code: string
  readonly message: string
}

const PAGES: readonly Page[] = [
  { codes: [400], code: 'BadRequest', message: 'An error occurred when parsing the HTTP request.' },
  { codes: [404], code: 'NoSuchKey', message: 'The specified key does not exist.' },
  { codes: [405], code: 'MethodNotAllowed', message: 'The specified method is not allowed against this resource.' },
  {
    codes: [408],
    status: 400,
    code: 'RequestTimeout',
    message: 'Your socket connection to the server was not read from or written to within the timeout period.',
  },
  { codes: [411], code: 'MissingContentLength', message: 'You must provide the Content-Length HTTP header.' },
  { codes: [413], code: 'EntityTooLarge', message: 'Your proposed upload exceeds the maximum allowed size.' },
  { codes: [414], code: 'RequestURITooLong', message: 'The request line is longer than this server reads.' },
  {
    codes: [431, 494],
    status: 400,
    code: 'RequestHeaderSectionTooLarge',
    message: 'Your request header section exceeds the maximum allowed size.',
  },
  { codes: [495, 496], status: 400, code: 'BadRequest', message: 'The client certificate was not accepted.' },
  {
    codes: [497],
    status: 400,
    code: 'BadRequest',
    message: 'A plain HTTP request was sent to the HTTPS port; use https://.',
  },
  { codes: [500], code: 'InternalError', message: 'We encountered an internal error. Please try again.' },
  { codes: [501], code: 'NotImplemented', message: 'This transfer coding is not implemented.' },
  { codes: [502, 504], code: 'ServiceUnavailable', message: 'Service is unable to handle request.' },
  { codes: [503], code: 'SlowDown', message: 'Please reduce your request rate.' },
  { codes: [505], code: 'BadRequest', message: 'This HTTP version is not supported.' },
]

/** Of a server {}: the error_page lines and the locations behind them, under names that no client can ask for (template.ts). */
export function errorPages(hostId: string): string {
  const lines = PAGES.flatMap(({ codes, status }) =>
    codes.map(
      (code) => `error_page ${code}${status === undefined || status === code ? '' : ` =${status}`} /../error/${code};`,
    ),
  )
  return [...lines, ...PAGES.flatMap((page) => page.codes.map((code) => location(code, page, hostId)))].join('\n')
}

function location(nginxCode: number, { status, code, message }: Page, hostId: string): string {
  const xml =
    `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message>` +
    `<RequestId>$s3_request_id</RequestId><HostId>${hostId}</HostId></Error>`
  return `location = /../error/${nginxCode} {
  internal;
  default_type application/xml;
  add_header x-amz-request-id $s3_request_id always;
  add_header x-amz-id-2 "${hostId}" always;
  return ${status ?? nginxCode} '${xml}';
}`
}
