import { expect, it } from 'vitest'
import { isPublicPolicy } from './is-public-policy.ts'
import { parsePolicy } from './parse-policy.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status */
const put = { Principal: '*', Resource: '*', Action: 's3:PutObject', Effect: 'Allow' }
const bob = { ...put, Principal: { AWS: 'arn:aws:iam::123456789012:user/bob' } }
const held = (Condition: object) => ({ ...put, Condition })

it.each([
  [true, 'an identity provider', { ...put, Principal: { Federated: 'graph.facebook.com' } }],
  [true, 'everybody', put],
  [true, 'everybody as AWS', { ...put, Principal: { AWS: '*' } }],
  [true, 'any network of a kind', held({ StringLike: { 'aws:SourceVpc': 'vpc-*' } })],
  [false, 'one network', held({ StringEquals: { 'aws:SourceVpc': 'vpc-91237329' } })],
  [
    false,
    'one network, compared with wildcards but without any',
    held({ StringLike: { 'aws:SourceVpc': 'vpc-91237329' } }),
  ],
  [true, 'all but one network', held({ StringNotEquals: { 'aws:SourceVpc': 'vpc-91237329' } })],
  [true, 'one network or an unknown one', held({ StringEqualsIfExists: { 'aws:SourceVpc': 'vpc-91237329' } })],
  [true, 'one network or none', held({ 'ForAllValues:StringEquals': { 'aws:SourceVpc': 'vpc-91237329' } })],
  [true, 'a policy variable', held({ StringEquals: { 'aws:SourceVpc': '$'.concat('{aws:username}') } })],
  [true, 'one fixed and one open value', held({ StringLike: { 'aws:SourceVpc': ['vpc-91237329', '*'] } })],
  [
    false,
    'a fixed value and another condition',
    held({ StringEquals: { 'aws:SourceVpc': 'vpc-9' }, Bool: { 'aws:SecureTransport': 'true' } }),
  ],
  [true, 'a condition that holds nobody to anything', held({ Bool: { 'aws:SecureTransport': 'true' } })],
  [true, 'a header that anybody can send', held({ StringEquals: { 'aws:Referer': 'http://example.com' } })],
  [false, 'one address', held({ IpAddress: { 'aws:SourceIp': '10.0.0.0/32' } })],
  [false, 'addresses of a site', held({ IpAddress: { 'aws:SourceIp': ['192.0.2.0/24', '2001:db8::/32'] } })],
  [true, 'half of all addresses', held({ IpAddress: { 'aws:SourceIp': '0.0.0.0/1' } })],
  [true, 'a site and half of all addresses', held({ IpAddress: { 'aws:SourceIp': ['192.0.2.0/24', '128.0.0.0/1'] } })],
  [true, 'very many IPv6 addresses', held({ IpAddress: { 'aws:SourceIp': '2001::/16' } })],
  [true, 'all but some addresses', held({ NotIpAddress: { 'aws:SourceIp': '192.0.2.0/24' } })],
  [false, 'one organization', held({ StringEquals: { 'aws:PrincipalOrgID': 'o-1234567890' } })],
  [false, 'one source', held({ ArnEquals: { 'aws:SourceArn': 'arn:aws:s3:::photos' } })],
  [true, 'any source', held({ ArnLike: { 'aws:SourceArn': 'arn:aws:s3:::*' } })],
  [
    false,
    'access points of an account',
    held({ ArnLike: { 's3:DataAccessPointArn': 'arn:aws:s3:us-west-2:123456789012:accesspoint/*' } }),
  ],
  [
    true,
    'access points of any account',
    held({ ArnLike: { 's3:DataAccessPointArn': 'arn:aws:s3:us-west-2:*:accesspoint/*' } }),
  ],
  [false, 'a user', bob],
  [false, 'an account', { ...put, Principal: { AWS: 'arn:aws:iam::s3tenant1:root' } }],
  [false, 'a service', { ...put, Principal: { Service: 'logging.s3.amazonaws.com' } }],
  [true, 'a user and everybody', { ...put, Principal: { AWS: ['arn:aws:iam::123456789012:user/bob', '*'] } }],
  [true, 'a user in one statement, everybody in another', [bob, put]],
  [false, 'Deny for everybody', { ...put, Effect: 'Deny' }],
])('%s: %s', (isPublic, _name, statement) => {
  const text = JSON.stringify({ Version: '2012-10-17', Statement: statement })
  expect(isPublicPolicy(parsePolicy(text, 'photos'))).toBe(isPublic)
})
