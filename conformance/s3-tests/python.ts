import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'

/** A virtual environment with what the suite imports, made once beside the project's own. Answers its python. */
export async function makePython(checkout: string): Promise<string> {
  const directory = join(import.meta.dirname, '../../.venv-s3-tests')
  const python = join(directory, 'bin/python')
  const marker = join(directory, 'complete')
  if (existsSync(marker)) return python
  console.log('installing what the suite needs')
  await execa('python3', ['-m', 'venv', directory])
  const packages = ['-r', join(checkout, 'requirements.txt'), 'pytest-timeout']
  await execa(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', ...packages])
  await execa('touch', [marker])
  return python
}
