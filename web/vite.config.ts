/** Builds the web UI: web/ui → web/dist. `npx vite build -c web/vite.config.ts` */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { defineConfig, type Plugin } from 'vite'

const root = resolve(import.meta.dirname, 'ui')

export default defineConfig({
  root,
  build: {
    outDir: resolve(import.meta.dirname, 'dist'),
    emptyOutDir: true,
    // The oldest browsers with CSS light-dark(), which the two themes are made of.
    target: ['chrome123', 'firefox120', 'safari17.5'],
    // The polyfill would be an inline script, and there is one chunk only.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: true,
  },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  plugins: [serviceWorker()],
})

/**
 * Writes /sw.js: ui/sw.js with the list of what makes the shell, and a version that changes with any of it (so that
 * browsers notice a new worker exactly when there is something new to keep).
 */
function serviceWorker(): Plugin {
  const publicDir = resolve(root, 'public')
  return {
    name: 'service-worker',
    apply: 'build',
    enforce: 'post',
    generateBundle(_options, bundle) {
      const source = readFileSync(resolve(root, 'sw.js'), 'utf8')
      const publicFiles = readdirSync(publicDir).sort()
      const hash = createHash('sha256').update(source)
      for (const file of publicFiles) hash.update(readFileSync(resolve(publicDir, file)))
      for (const output of Object.values(bundle)) hash.update(output.type === 'chunk' ? output.code : output.source)
      const built = Object.keys(bundle).filter((name) => name !== 'index.html')
      // The PNG icons are for the system that installs the app; the page shows none of them.
      const shown = publicFiles.filter((name) => !name.endsWith('.png'))
      const shell = ['/', ...[...built, ...shown].map((name) => `/${name}`)]
      this.emitFile({
        type: 'asset',
        fileName: 'sw.js',
        source: source
          .replace("const VERSION = 'dev'", `const VERSION = '${hash.digest('hex').slice(0, 16)}'`)
          .replace("const SHELL = ['/']", `const SHELL = ${JSON.stringify(shell)}`),
      })
    },
  }
}
