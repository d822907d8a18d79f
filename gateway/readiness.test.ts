import { expect, it } from 'vitest'
import type { RootTrouble } from '#namespace'
import { readinessOf } from './readiness.ts'

const main: RootTrouble = { path: '/mnt/a', isMain: true, trouble: 'does not answer' }
const further: RootTrouble = { path: '/mnt/b', isMain: false, trouble: 'answers ESTALE' }
const ofMain = 'the namespace root /mnt/a does not answer'
const ofFurther = 'the root /mnt/b answers ESTALE: requests for buckets on it are answered 503'

it.each([
  ['no worker', [], false, ['no worker is ready']],
  ['all roots answer', [[], []], true, ['ready']],
  ['a further root does not answer', [[further], [further]], true, ['ready', ofFurther]],
  ['the namespace root answers nobody', [[main], [main]], false, [ofMain]],
  ['neither answers', [[main, further]], false, [ofMain, ofFurther]],
  ['the namespace root answers one worker', [[main], []], true, ['ready', ofMain]],
] as const)('%s', (_case, workers, isReady, sentences) => {
  expect(readinessOf(workers)).toEqual({ isReady, sentences })
})
