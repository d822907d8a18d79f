/**
 * nginx's configuration, rendered from the gateway's own. Every directive that is not self-evident says what goes wrong without it;
 * P-nnn are items of the protocol reference. nginx.test.ts runs the real nginx on it.
 *
 * A request is sent to one of five locations, named by paths that no client can ask for: nginx has resolved every `..` of a request
 * before it looks for a location, so `/../write` is reached by an internal rewrite only.
 */
import { join } from 'node:path'
import { type Config, splitAddress } from '../gateway/config.ts'
import { PASSWORD_PARAMETER } from '../gateway/password-parameter.ts'
import { errorPages } from './error-pages.ts'

export type NginxRuntime = {
  /** Unix sockets of the pool, one per worker. */
  readonly workerSockets: readonly string[]
  /** The user whose processes nginx's workers shall be; only where nginx is started by root. */
  readonly user?: string | undefined
  /** x-amz-id-2 of errors that nginx answers itself. */
  readonly hostId: string
}

export type NginxFiles = {
  /** nginx's prefix: its temporary files, log and process id. Must exist, mode 0750. */
  readonly directory: string
  readonly configFile: string
  readonly pidFile: string
  readonly errorLog: string
  /** Of the program: `nginx` in front of these runs in the foreground. */
  readonly arguments: readonly string[]
}

/** Where nginx's files lie: below the state directory, so that an ordinary user can run it. */
export function nginxFiles(config: Config): NginxFiles {
  const directory = join(config.state.directory, 'nginx')
  const [configFile, errorLog] = [join(directory, 'nginx.conf'), join(directory, 'error.log')]
  return {
    directory,
    configFile,
    errorLog,
    pidFile: join(directory, 'nginx.pid'),
    arguments: ['-p', directory, '-e', errorLog, '-c', configFile],
  }
}

/** The whole nginx.conf. Reopens logs on SIGUSR1, takes a new configuration or certificate on SIGHUP, ends gracefully on SIGQUIT. */
export function renderNginx(config: Config, runtime: NginxRuntime): string {
  const files = nginxFiles(config)
  return `# Written by Causeway from its own configuration; changes are overwritten at the next start.
daemon off;
${runtime.user === undefined ? '' : `user ${quote(runtime.user)};\n`}pid ${quote(files.pidFile)};
error_log ${quote(files.errorLog)} warn;
worker_processes auto;
worker_rlimit_nofile 65536;
worker_shutdown_timeout ${config.pool.drainSeconds}s;

events {
  worker_connections 16384;
}

http {
${indent(
  [
    temporaryPaths(files),
    accessLog(config),
    maps(config),
    upstreams(runtime.workerSockets),
    proxying(config),
    limits(config),
    servers(config, runtime),
  ].join('\n'),
)}
}
`
}

function temporaryPaths(files: NginxFiles): string {
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${quote(join(files.directory, name))};`)
    .join('\n')
}

/**
 * Queries of presigned URLs carry a signature and, with temporary keys, a session token, those of STS a password: none of them belongs in a log.
 */
function accessLog(config: Config): string {
  return `
map $request_uri $passwordless_uri {
  "~*^(?<bare>[^?]*[?]).*${PASSWORD_PARAMETER}" "$bare-";
  default $request_uri;
}
map $passwordless_uri $logged_uri {
  "~*^(?<shown>[^?]*\\?.*?x-amz-signature=)[^&]*(?<rest>.*)$" "$shown-$rest";
  default $passwordless_uri;
}
map $logged_uri $logged_target {
  "~*^(?<before>[^?]*\\?.*?x-amz-security-token=)[^&]*(?<after>.*)$" "$before-$after";
  default $logged_uri;
}
map $logged_target $logged_path {
  "~*^(?<head>[^?]*\\?(?:.*&)?signature=)[^&]*(?<tail>.*)$" "$head-$tail";
  default $logged_target;
}
# An error page is a redirect inside nginx, which turns every method into GET.
map $request $logged_method {
  "~^(?<verb>[A-Z]+) " $verb;
  default $request_method;
}
log_format causeway escape=json '{"time":"$time_iso8601","requestId":"$sent_http_x_amz_request_id","client":"$remote_addr",'
  '"method":"$logged_method","host":"$http_host","target":"$logged_path","protocol":"$server_protocol","status":$status,'
  '"bytesIn":$request_length,"bytesOut":$bytes_sent,"seconds":$request_time,"worker":"$upstream_addr",'
  '"workerStatus":"$upstream_status","workerSeconds":"$upstream_response_time","tls":"$ssl_protocol","agent":"$http_user_agent"}';
access_log ${quote(config.log.accessFile)} causeway;`
}

function maps(config: Config): string {
  return `
# 16 hex digits, the same in this log, in the worker's and in the answer (P-017).
map $request_id $s3_request_id {
  "~^(?<first>[0-9a-f]{16})" $first;
}
# What has no body and changes nothing may be tried on a second worker; all else never: a PUT would be carried out twice.
map $request_method $changes {
  default 1;
  GET 0;
  HEAD 0;
  OPTIONS 0;
}
# STS asked by query.
map $request_uri $has_password {
  default 0;
  "~*[?].*${PASSWORD_PARAMETER}" 1;
}
# GET of a path with one segment or none: a listing (or a small document of a bucket).
map $request_method:$request_uri $lists {
  default 0;
  "~^GET:/[^/?]*/?(?:\\?|$)" 1;
}
map $request_uri $listed {
  "~^(?<segment>/[^/?]*)" $segment;
}
# "Expect: 100-continue" (P-004: in any case) on a body of unknown length, or of at least ${config.s3.precheckMinBytes} bytes.
map $http_expect $expects {
  default 0;
  "~*^100-continue$" 1;
}
map $http_content_length $is_large {
  default 0;
  "" 1;
  ${atLeast(config.s3.precheckMinBytes)} 1;
}
map $changes$expects$is_large $prechecks {
  default 0;
  111 1;
}`
}

/**
 * nginx cannot compare numbers, but a regular expression can: a digit more, or the same digits up to one that is greater.
 * 1048576 → `"~^0*(?:[1-9]\d{7,}|[2-9]\d{6}|1[1-9]\d{5}|10[5-9]\d{4}|104[9]\d{3}|…|1048576)$"`
 */
export function atLeast(minimum: number): string {
  const digits = String(minimum)
  const greater = [...digits].flatMap((digit, index) => {
    const rest = digits.length - index - 1
    if (digit === '9') return []
    return [`${digits.slice(0, index)}[${Number(digit) + 1}-9]${rest === 0 ? '' : `[0-9]{${rest}}`}`]
  })
  return `"~^0*(?:[1-9][0-9]{${digits.length},}|${[...greater, digits].join('|')})$"`
}

/**
 * max_fails=0: with nginx's default, two workers that failed once each are both "down" for ten seconds and everybody gets 502.
 * The pool holds the sockets open while it replaces a worker, so there is nothing to fail over from but a crash.
 */
function upstreams(sockets: readonly string[]): string {
  const servers = sockets.map((socket) => `  server ${quote(`unix:${socket}`)} max_fails=0;`).join('\n')
  return `
upstream any_worker {
  zone any_worker 512k;
  least_conn;
${servers}
  keepalive 64;
  keepalive_timeout ${WORKER_KEEP_ALIVE_SECONDS}s;
}
# One worker per bucket and prefix, so that a directory's index is built once.
upstream listing_worker {
  zone listing_worker 512k;
  hash $host$listed|$arg_prefix;
${servers}
  keepalive 32;
  keepalive_timeout ${WORKER_KEEP_ALIVE_SECONDS}s;
}`
}

/** nginx lets go of an idle connection to a worker before the worker does (KEEP_ALIVE_MS in edge.ts), else a request meets a connection just closed. */
const WORKER_KEEP_ALIVE_SECONDS = 20

function proxying(config: Config): string {
  const { limits } = config
  return `
default_type application/octet-stream;
server_tokens off;
etag off;
gzip off;

proxy_http_version 1.1;
proxy_set_header Connection "";
# With its port: it is signed (P-016).
proxy_set_header Host $http_host;
# The only header a worker believes about where a request is from; the client's own is overwritten.
proxy_set_header X-Causeway-Front "$s3_request_id $scheme $remote_addr";
# Bodies go through as they come (P-007); a response is passed on as it is read. Buffering doubled the cost.
proxy_request_buffering off;
proxy_buffering off;
# Holds the headers of an answer, then piece after piece of its body. Just below the 65,483 bytes that one segment carries on the loopback
# interface: with 64k every piece became two, and nginx's share of a GET of 1 MiB cost 0.75 ms instead of 0.42.
proxy_buffer_size 60k;
proxy_buffers 4 60k;
proxy_max_temp_file_size 0;
proxy_connect_timeout 10s;
# Above the longest copy.
proxy_read_timeout ${limits.answerTimeoutSeconds}s;
proxy_send_timeout ${limits.bodyTimeoutSeconds + 2}s;
# Nothing of the answer is nginx's business: no redirects rewritten, no header dropped, no error replaced.
proxy_redirect off;
proxy_pass_header Server;
proxy_pass_header Date;
proxy_pass_header X-Accel-Expires;
proxy_ignore_headers X-Accel-Expires X-Accel-Redirect X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset Expires Cache-Control Set-Cookie Vary;
proxy_intercept_errors off;`
}

function limits(config: Config): string {
  const { listen, limits } = config
  const trusted = listen.trustedProxies.map((address) => `set_real_ip_from ${address};\n`).join('')
  const header = listen.proxyProtocol ? 'proxy_protocol' : 'X-Forwarded-For'
  // One buffer holds the request line or one header line whole (P-012): an x-amz-tagging of 11 kB, a session token of 4 kB.
  const buffers = Math.max(4, Math.ceil(limits.headerBytes / 32_768))
  return `
client_max_body_size 0;
client_header_buffer_size 4k;
large_client_header_buffers ${buffers} 32k;
client_header_timeout ${limits.headerTimeoutSeconds}s;
# Later than the worker, which answers RequestTimeout: nginx would close the connection without a word.
client_body_timeout ${limits.bodyTimeoutSeconds + 2}s;
client_body_buffer_size 64k;
send_timeout ${limits.bodyTimeoutSeconds}s;
keepalive_timeout ${limits.keepAliveSeconds}s;
keepalive_requests 1000000;
lingering_close on;
reset_timedout_connection on;
# Metadata names may hold "_" and "."; dropped silently otherwise, though signed (P-011, P-205).
underscores_in_headers on;
ignore_invalid_headers off;
# "//" is part of a key (P-009).
merge_slashes off;
absolute_redirect off;
limit_conn_zone $binary_remote_addr zone=connections:8m;
limit_conn connections ${limits.connectionsPerClient};
limit_conn_status 503;
limit_conn_log_level info;
${trusted}${trusted === '' ? '' : `real_ip_header ${header};\nreal_ip_recursive on;\n`}`
}

function servers(config: Config, runtime: NginxRuntime): string {
  const { listen, tls } = config
  const names = listen.domain === undefined ? '_' : `${listen.domain} *.${listen.domain} _`
  const proxyProtocol = listen.proxyProtocol ? ' proxy_protocol' : ''
  const body = `server_name ${names};\n${errorPages(runtime.hostId)}\nerror_page 403 /../refused;\n${locations(runtime.hostId)}`
  const https = `
server {
  listen ${nginxAddress(listen.https)} ssl${listen.http2 ? ' http2' : ''} default_server${proxyProtocol};
  ssl_certificate ${quote(tls.certificate)};
  ssl_certificate_key ${quote(tls.key)};
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_ciphers HIGH:!aNULL:!MD5:!SHA1:!kRSA;
  ssl_session_cache shared:tls:10m;
  ssl_session_timeout 1d;
  ssl_session_tickets off;
${indent(body)}
}`
  const http = `
server {
  listen ${nginxAddress(listen.http)} default_server${proxyProtocol};
${indent(body)}
}`
  return `${listen.https === '' ? '' : https}${listen.http === '' ? '' : http}`
}

/** `rewrite` makes nginx forget the raw target, so those locations name it: $request_uri is what the client sent, byte for byte. */
function locations(hostId: string): string {
  return `
location / {
  if ($has_password) {
    rewrite ^ /../secret last;
  }
  if ($prechecks) {
    rewrite ^ /../prechecked last;
  }
  if ($changes) {
    rewrite ^ /../write last;
  }
  if ($lists) {
    rewrite ^ /../listing last;
  }
  proxy_next_upstream error;
  proxy_next_upstream_tries 2;
  proxy_pass http://any_worker;
}
location = /../listing {
  internal;
  proxy_next_upstream error;
  proxy_next_upstream_tries 2;
  proxy_pass http://listing_worker$request_uri;
}
# A worker that died had perhaps done half or all of it: only the client may try again.
location = /../write {
  internal;
  proxy_next_upstream off;
  proxy_pass http://any_worker$request_uri;
}
# nginx quotes the request line in every complaint about a worker.
location = /../secret {
  internal;
  error_log /dev/null;
  proxy_next_upstream off;
  proxy_pass http://any_worker$request_uri;
}
# nginx answers "100 Continue" before a worker sees anything (P-001), unless it is refused in the access phase.
location = /../prechecked {
  internal;
  auth_request /../precheck;
  auth_request_set $refusal $upstream_http_x_causeway_refusal;
  proxy_next_upstream off;
  proxy_pass http://any_worker$request_uri;
}
# The same request without its body. The worker is told so in the header that only nginx writes; 403 refuses, all else lets it come.
location = /../precheck {
  internal;
  proxy_method $request_method;
  proxy_pass_request_body off;
  proxy_set_header Content-Length "";
  proxy_set_header Transfer-Encoding "";
  proxy_set_header Host $http_host;
  proxy_set_header Connection "";
  proxy_set_header X-Causeway-Front "$s3_request_id $scheme $remote_addr precheck $http_content_length";
  proxy_pass http://any_worker$request_uri;
}
# The client will not send the body it announced, so what comes next on this connection would be taken for it (P-005): close.
location = /../refused {
  internal;
  keepalive_timeout 0;
  default_type application/xml;
  add_header x-amz-request-id $s3_request_id always;
  add_header x-amz-id-2 "${hostId}" always;
  return 403 $refusal;
}`
}

/** "localhost:80" and "0.0.0.0:80" as they are; "[::]:80" takes IPv4 too. */
function nginxAddress(address: string): string {
  const { host, port } = splitAddress(address)
  return host === '::' ? `[::]:${port} ipv6only=off` : address
}

/** nginx's strings: a path may hold blanks, quotes and dollars. */
function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? '' : `  ${line}`))
    .join('\n')
}
