import type { Sample } from './report.ts'
import { runLoad } from './run-load.ts'
import type { LoadScenario } from './scenario.ts'
import type { Scheme, Server } from './server.ts'

/** One server in one round. Throws with the first request that fails. */
export async function measureLoad(
  scenario: LoadScenario,
  server: Server,
  scheme: Scheme,
  seconds: number,
): Promise<Sample> {
  const { result, before, after } = await runLoad(
    {
      origin: server.origin(scheme),
      authority: scheme === 'https' ? server.authority : undefined,
      connections: scenario.connections,
      requests: scenario.requests().map((wanted) => server.request(wanted, scheme)),
      bodyBytes: scenario.sends ? scenario.objectBytes : 0,
      seconds,
      most: Number.POSITIVE_INFINITY,
    },
    () => server.processorTime(),
  )
  return {
    requests: result.requests,
    seconds: result.seconds,
    nginxCpuMs: after && before && after.nginx - before.nginx,
    workersCpuMs: after && before && after.workers - before.workers,
    clientCpuMs: result.cpuMs,
  }
}
