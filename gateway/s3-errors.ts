/**
 * The error table: code → status and sentence. Data, no functions.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 * Codes of namespace/ and auth/ must have a row, or this does not compile; what the gateway itself throws is a key of this table.
 */

import type { AuthCode } from '#auth'
import type { NamespaceCode } from '#namespace'

export type ErrorRow = { readonly status: number; readonly message: string }

export const s3Errors = {
  AccessControlListNotSupported: { status: 400, message: 'The bucket does not allow ACLs' },
  AccessDenied: { status: 403, message: 'Access Denied' },
  AccessForbidden: {
    status: 403,
    message: 'CORSResponse: This CORS request is not allowed. The CORS configuration of the bucket does not permit it.',
  },
  AuthorizationHeaderMalformed: { status: 400, message: 'The authorization header that you provided is not valid.' },
  AuthorizationQueryParametersError: {
    status: 400,
    message: 'Query-string authentication requires six parameters, which are not all there or not well-formed.',
  },
  BadDigest: {
    status: 400,
    message: 'The Content-MD5 or checksum value that you specified did not match what the server received.',
  },
  BadRequest: { status: 400, message: 'Bad Request' },
  BucketAlreadyExists: {
    status: 409,
    message: 'The requested bucket name is not available. Select a different name and try again.',
  },
  BucketAlreadyOwnedByYou: {
    status: 409,
    message: 'The bucket that you tried to create already exists, and you own it.',
  },
  BucketNotEmpty: { status: 409, message: 'The bucket you tried to delete is not empty' },
  ConditionalRequestConflict: {
    status: 409,
    message: 'A conflicting operation occurred during the processing of your request. Try again.',
  },
  CrossLocationLoggingProhibited: { status: 403, message: 'Cross-location logging is not allowed.' },
  EntityTooLarge: { status: 400, message: 'Your proposed upload exceeds the maximum allowed size' },
  EntityTooSmall: { status: 400, message: 'Your proposed upload is smaller than the minimum allowed size' },
  ExpiredToken: { status: 400, message: 'The provided token has expired.' },
  IllegalLocationConstraintException: {
    status: 400,
    message: 'The location constraint is incompatible with the region of the endpoint that this request was sent to.',
  },
  IllegalVersioningConfigurationException: {
    status: 400,
    message: 'The Versioning element must be specified',
  },
  IncompleteBody: {
    status: 400,
    message: 'You did not provide the number of bytes specified by the Content-Length HTTP header',
  },
  InternalError: { status: 500, message: 'We encountered an internal error. Please try again.' },
  InvalidAccessKeyId: {
    status: 403,
    message: 'The access key ID that you provided does not exist in our records.',
  },
  InvalidArgument: { status: 400, message: 'Invalid Argument' },
  InvalidBucketAclWithBlockPublicAccessError: {
    status: 400,
    message: 'Bucket cannot have public ACLs set with BlockPublicAccess enabled',
  },
  InvalidBucketAclWithObjectOwnership: {
    status: 400,
    message: 'Bucket cannot have ACLs set with the BucketOwnerEnforced setting of ObjectOwnership',
  },
  InvalidBucketName: { status: 400, message: 'The specified bucket is not valid.' },
  InvalidBucketOwnerAWSAccountID: {
    status: 400,
    message: 'The value of the expected bucket owner parameter must be an account ID',
  },
  InvalidBucketState: { status: 409, message: 'The request is not valid for the current state of the bucket.' },
  InvalidChunkSizeError: { status: 400, message: 'The chunk size that you provided is not valid' },
  InvalidDigest: { status: 400, message: 'The Content-MD5 you specified was invalid.' },
  InvalidEncryptionAlgorithmError: { status: 400, message: 'The encryption request that you specified is not valid.' },
  InvalidLocationConstraint: { status: 400, message: 'The specified location-constraint is not valid' },
  InvalidObjectName: { status: 400, message: 'This key cannot be stored here.' },
  InvalidObjectState: {
    status: 403,
    message: "The operation is not valid for the object's storage class",
  },
  InvalidPart: {
    status: 400,
    message:
      "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
  },
  InvalidPartNumber: { status: 416, message: 'The requested partnumber is not satisfiable' },
  InvalidPartOrder: {
    status: 400,
    message: 'The list of parts was not in ascending order. Parts must be ordered by part number.',
  },
  InvalidPolicyDocument: {
    status: 400,
    message: 'The content of the form does not meet the conditions specified in the policy document.',
  },
  InvalidRange: { status: 416, message: 'The requested range is not satisfiable' },
  InvalidRedirectLocation: {
    status: 400,
    message: "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
  },
  InvalidRequest: { status: 400, message: 'Invalid Request' },
  InvalidRetentionPeriod: { status: 400, message: 'The retention period must be a positive integer value.' },
  InvalidStorageClass: { status: 400, message: 'The storage class you specified is not valid' },
  InvalidTag: { status: 400, message: 'The tag provided was not a valid tag.' },
  InvalidToken: { status: 400, message: 'The provided token is malformed or otherwise not valid.' },
  InvalidURI: { status: 400, message: "Couldn't parse the specified URI." },
  KeyTooLongError: { status: 400, message: 'Your key is too long' },
  MalformedACLError: {
    status: 400,
    message: 'The XML you provided was not well-formed or did not validate against our published schema',
  },
  /** With MissingAuthenticationToken, MissingParameter, Throttling and ValidationError, of STS: sts-error.ts. */
  MalformedPolicyDocument: {
    status: 400,
    message: 'The request was rejected because the policy document was malformed.',
  },
  MalformedPolicy: { status: 400, message: 'Policy has an invalid document.' },
  MalformedPOSTRequest: {
    status: 400,
    message: 'The body of your POST request is not well-formed multipart/form-data.',
  },
  MalformedTrailerError: {
    status: 400,
    message: 'The request contained trailing data that was not well-formed or did not conform to our published schema.',
  },
  MalformedXML: {
    status: 400,
    message: 'The XML you provided was not well-formed or did not validate against our published schema',
  },
  MaxPostPreDataLengthExceededError: {
    status: 400,
    message: 'Your POST request fields preceding the upload file were too large.',
  },
  MaxMessageLengthExceeded: { status: 400, message: 'Your request was too large.' },
  MetadataTooLarge: { status: 400, message: 'Your metadata headers exceed the maximum allowed metadata size' },
  MethodNotAllowed: { status: 405, message: 'The specified method is not allowed against this resource.' },
  MissingAuthenticationToken: { status: 403, message: 'Request is missing Authentication Token' },
  MissingContentLength: { status: 411, message: 'You must provide the Content-Length HTTP header.' },
  MissingParameter: { status: 400, message: 'A required parameter for the specified action is not supplied.' },
  MissingRequestBodyError: { status: 400, message: 'Request Body is empty' },
  MissingSecurityHeader: { status: 400, message: 'Your request was missing a required header' },
  NoSuchBucket: { status: 404, message: 'The specified bucket does not exist' },
  NoSuchBucketPolicy: { status: 404, message: 'The bucket policy does not exist' },
  NoSuchConfiguration: { status: 404, message: 'The specified configuration does not exist.' },
  NoSuchCORSConfiguration: { status: 404, message: 'The CORS configuration does not exist' },
  NoSuchKey: { status: 404, message: 'The specified key does not exist.' },
  NoSuchLifecycleConfiguration: { status: 404, message: 'The lifecycle configuration does not exist' },
  NoSuchObjectLockConfiguration: {
    status: 404,
    message: 'The specified object does not have a ObjectLock configuration',
  },
  NoSuchPublicAccessBlockConfiguration: {
    status: 404,
    message: 'The public access block configuration was not found',
  },
  NoSuchTagSet: { status: 404, message: 'The TagSet does not exist' },
  NoSuchUpload: {
    status: 404,
    message:
      'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
  },
  NoSuchVersion: { status: 404, message: 'The specified version does not exist.' },
  NoSuchWebsiteConfiguration: {
    status: 404,
    message: 'The specified bucket does not have a website configuration',
  },
  NotImplemented: {
    status: 501,
    message: 'A header you provided implies functionality that is not implemented',
  },
  /** Not an error of S3's list: a 304 has no body, so the name is seen in logs only. */
  NotModified: { status: 304, message: 'Not Modified' },
  ObjectIsForeignFile: {
    status: 409,
    message:
      'A file that was not written over S3 is in the way of this key. It is never moved or replaced by a directory.',
  },
  ObjectLockConfigurationNotFoundError: {
    status: 404,
    message: 'Object Lock configuration does not exist for this bucket',
  },
  OperationAborted: {
    status: 409,
    message: 'A conflicting conditional operation is currently in progress against this resource. Please try again.',
  },
  OwnershipControlsNotFoundError: { status: 404, message: 'The bucket ownership controls were not found' },
  PreconditionFailed: { status: 412, message: 'At least one of the pre-conditions you specified did not hold' },
  /** Like StorageFull below no code of AWS's, which has no such limit. 403 and 507 are what clients do not retry. */
  QuotaExceeded: { status: 403, message: 'A quota of the file system is exhausted. Nothing was stored.' },
  ReadOnlyTree: { status: 403, message: 'This bucket is served from a read-only file tree. Nothing was changed.' },
  ReplicationConfigurationNotFoundError: {
    status: 404,
    message: 'The replication configuration was not found',
  },
  RequestHeaderSectionTooLarge: {
    status: 400,
    message: 'Your request header section exceeds the maximum allowed size.',
  },
  RequestTimeout: {
    status: 400,
    message:
      'Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.',
  },
  RequestTimeTooSkewed: {
    status: 403,
    message: 'The difference between the request time and the current time is too large.',
  },
  ServerSideEncryptionConfigurationNotFoundError: {
    status: 404,
    message: 'The server side encryption configuration was not found',
  },
  ServiceUnavailable: { status: 503, message: 'Service is unable to handle request.' },
  SignatureDoesNotMatch: {
    status: 403,
    message:
      'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  },
  SlowDown: { status: 503, message: 'Please reduce your request rate.' },
  StorageFull: { status: 507, message: 'The file system is full. Nothing was stored.' },
  Throttling: { status: 400, message: 'Rate exceeded' },
  TooManyBuckets: { status: 400, message: 'You have attempted to create more buckets than allowed' },
  UnexpectedContent: { status: 400, message: 'This request contains unsupported content.' },
  UnresolvableGrantByEmailAddress: {
    status: 400,
    message: 'The e-mail address you provided does not match any account on record',
  },
  ValidationError: {
    status: 400,
    message: 'The input fails to satisfy the constraints specified by an AWS service.',
  },
  XAmzContentSHA256Mismatch: {
    status: 400,
    message: "The provided 'x-amz-content-sha256' header does not match what was computed.",
  },
} satisfies Record<NamespaceCode | AuthCode, ErrorRow> & Record<string, ErrorRow>

/** What Fastify, its plugins and Node's HTTP parser throw, by their own `code`. */
export const edgeErrors: Readonly<Record<string, keyof typeof s3Errors>> = {
  FST_ERR_BAD_URL: 'InvalidURI',
  FST_ERR_ASYNC_CONSTRAINT: 'InvalidURI',
  FST_ERR_MAX_PARAM_LENGTH: 'InvalidURI',
  FST_ERR_CTP_BODY_TOO_LARGE: 'EntityTooLarge',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'InvalidArgument',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'IncompleteBody',
  FST_ERR_CTP_EMPTY_TYPE: 'InvalidArgument',
  FST_ERR_NOT_FOUND: 'MethodNotAllowed',
  FST_ERR_ROUTE_METHOD_NOT_SUPPORTED: 'MethodNotAllowed',
  FST_ERR_HANDLER_TIMEOUT: 'ServiceUnavailable',
  FST_UNDER_PRESSURE: 'SlowDown',
  ERR_HTTP_REQUEST_TIMEOUT: 'RequestTimeout',
  ETIMEDOUT: 'RequestTimeout',
  HPE_HEADER_OVERFLOW: 'RequestHeaderSectionTooLarge',
  HPE_INVALID_URL: 'InvalidURI',
  HPE_INVALID_METHOD: 'BadRequest',
  HPE_INVALID_CONTENT_LENGTH: 'BadRequest',
  HPE_UNEXPECTED_CONTENT_LENGTH: 'BadRequest',
  HPE_INVALID_TRANSFER_ENCODING: 'BadRequest',
  HPE_INVALID_HEADER_TOKEN: 'BadRequest',
  HPE_INVALID_CHUNK_SIZE: 'IncompleteBody',
  HPE_INVALID_EOF_STATE: 'IncompleteBody',
  // The client went away in the middle of its body: nobody reads this answer, but the log says what it was.
  ECONNRESET: 'IncompleteBody',
  EPIPE: 'IncompleteBody',
  ERR_STREAM_PREMATURE_CLOSE: 'IncompleteBody',
  ABORT_ERR: 'RequestTimeout',
}
