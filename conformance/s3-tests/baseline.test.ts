import { expect, test } from 'vitest'
import { compareWithBaseline } from './baseline.ts'

const baseline = 'f.py::a\nf.py::b\n'

test('a test that passed before and fails now is lost, a new pass is gained', () => {
  const { lost, updated, report } = compareWithBaseline(
    { 'f.py::a': 'passed', 'f.py::b': 'failed', 'f.py::c': 'passed' },
    baseline,
    true,
  )
  expect(lost).toEqual(['f.py::b'])
  expect(updated).toBe('f.py::a\nf.py::b\nf.py::c\n')
  expect(report).toContain('2 passed, 1 failed')
})

test('of a part of the suite only what was run can be lost, of the whole what was not run is', () => {
  expect(compareWithBaseline({ 'f.py::a': 'passed' }, baseline, false).lost).toEqual([])
  expect(compareWithBaseline({ 'f.py::a': 'passed' }, baseline, true).lost).toEqual(['f.py::b'])
})

test('a strict expected failure that passes is no pass', () => {
  expect(compareWithBaseline({ 'f.py::a': 'failed', 'f.py::b': 'xfailed' }, baseline, true).lost).toEqual([
    'f.py::a',
    'f.py::b',
  ])
})
