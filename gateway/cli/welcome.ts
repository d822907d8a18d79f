import type { ClientSettings } from './client-env.ts'

/** What a person reads after a start: where, with what, and three commands to paste. */
export function welcome(about: {
  readonly root: string
  readonly endpoint: string
  readonly clientEnv: string
  readonly client: ClientSettings | undefined
  readonly options: string
}): string {
  const { root, endpoint, clientEnv, client, options } = about
  if (client === undefined) {
    return `Causeway serves ${root} at ${endpoint}\nMake a key for a user: scripts/causeway keys create USER${options}\n`
  }
  const trusted = client.authority === undefined ? '' : '--cacert "$AWS_CA_BUNDLE" '
  const rows = [
    ['endpoint', client.endpoint],
    ['access key id', client.accessKeyId],
    ['secret access key', client.secretAccessKey],
    ['region', client.region],
    ...(client.authority === undefined ? [] : [['certificate', `${client.authority}  (AWS_CA_BUNDLE)`]]),
  ].map(([name = '', value = '']) => `  ${name.padEnd(18)} ${value}\n`)
  return `Causeway serves ${root}

${rows.join('')}
In another terminal, first:
  set -a; . ${shellWord(clientEnv)}; set +a
then for instance:
  aws --endpoint-url "$AWS_ENDPOINT_URL" s3 ls
  python3 -c 'import boto3, os; print(boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"]).list_buckets()["Buckets"])'
  curl -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' ${trusted}--aws-sigv4 "aws:amz:$AWS_REGION:s3" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" "$AWS_ENDPOINT_URL/"

`
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}
