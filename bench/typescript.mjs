// `node --import ./bench/typescript.mjs FILE`: runs the bench, its processes and its threads from source.

import { register } from 'node:module'

register('./typescript-hooks.mjs', import.meta.url)
