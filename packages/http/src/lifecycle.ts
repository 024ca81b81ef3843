/** A service process from listening to exit. */
import type { ListenOptions } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '@checkout/kernel/logging.ts'
import closeWithGrace from 'close-with-grace'
import type { App } from './app.ts'

/** The contract is 8 s; the rest is for the process to end. */
const SHUTDOWN_MS_MAX = 7_500
/**
 * Before it stops accepting, a service answers /health/ready with 503 for this long and goes on serving: two rounds of
 * the gateway's probes. Otherwise a request could be sent on a kept-alive connection just as that is closed.
 */
const DRAIN_MS = 1_000

/** One step of the shutdown; its name is logged when it hangs. */
export interface Closer {
  name: string
  close: () => unknown
}

export interface ServiceOptions {
  app: App
  logger: Logger
  listen: {
    host: string
    port: number
    /** The variable to name when the port cannot be used, such as ORDERS_PORT. */
    variable: string
    /** The variable that `host` comes from; SERVICES_HOST for everything but the gateway. */
    hostVariable?: 'HOST' | 'SERVICES_HOST'
  }
  /** Run one after another once the last request is finished, such as consumers, then NATS, then the database. */
  closers: readonly Closer[]
}

/**
 * Listens, logs "listening" with the url, and ends the process:
 * - SIGTERM or SIGINT: turns unready and serves on for a second, then stops accepting, finishes the requests, runs the closers in order, exits 0. After 7.5 s it logs
 *   what hung and exits 1. A second signal exits 1 at once.
 * - an uncaught exception or unhandled rejection: logged, exit 1 at once. Nothing is closed: the state is unknown, and
 *   everything that matters is committed.
 *
 * Sockets that have left HTTP (WebSockets) keep the server open: close them in the app's preClose hook.
 *
 * @returns the url, such as http://127.0.0.1:3001
 */
export async function runService({ app, logger, listen, closers }: ServiceOptions): Promise<string> {
  const drain = () => {
    app.readiness.draining = true
    return delay(DRAIN_MS)
  }
  const steps: Closer[] = [{ name: 'drain', close: drain }, { name: 'http', close: () => app.close() }, ...closers]
  let current = 'nothing'

  const die = (error: unknown) => {
    logger.fatal({ err: error }, 'uncaught error')
    process.exit(1) // pino flushes on exit
  }
  process.on('uncaughtException', die)
  process.on('unhandledRejection', die)

  closeWithGrace(
    {
      delay: SHUTDOWN_MS_MAX,
      logger,
      // Only SIGTERM and SIGINT. Handling a real SIGSEGV in JavaScript would loop for ever.
      skip: [
        'SIGHUP',
        'SIGQUIT',
        'SIGILL',
        'SIGTRAP',
        'SIGABRT',
        'SIGBUS',
        'SIGFPE',
        'SIGSEGV',
        'SIGUSR2',
        'uncaughtException',
        'unhandledRejection',
        'beforeExit',
      ],
      onTimeout: (ms) => logger.error({ ms, step: current }, 'shutdown hangs, exiting'),
      onSecondSignal: (signal) => logger.warn({ signal, step: current }, 'second signal, exiting at once'),
    },
    async ({ signal }) => {
      logger.info({ signal }, 'stopping')
      for (const { name, close } of steps) {
        current = name
        await close()
      }
      logger.info('stopped')
    },
  )

  const url = await bind(app, listen)
  logger.info({ url }, 'listening')
  if (listen.hostVariable !== 'HOST' && process.env.HOST && process.env.HOST !== listen.host) {
    logger.warn(`HOST is for the gateway alone; this listens on ${listen.host} until SERVICES_HOST says otherwise`)
  }
  logger.flush() // whoever waits for this line must not wait for the buffer to fill
  return url
}

async function bind(app: App, listen: ServiceOptions['listen']): Promise<string> {
  const { host, port, variable, hostVariable = 'SERVICES_HOST' } = listen
  try {
    return await app.listen({ host, port } satisfies ListenOptions)
  } catch (error) {
    const advice = listenAdvice[(error as NodeJS.ErrnoException).code ?? '']
    if (advice === undefined) throw error
    process.stderr.write(`Cannot listen on ${host}:${port}: ${advice(variable, hostVariable)}\n`)
    process.exit(1)
  }
}

const listenAdvice: Readonly<Record<string, (variable: string, hostVariable: string) => string>> = {
  EADDRINUSE: (variable) => `the port is in use. Stop the program that uses it, or set ${variable} to another port.`,
  EACCES: (variable) => `this user may not use the port. Set ${variable} to a port above 1023.`,
  EADDRNOTAVAIL: (_, host) =>
    `this machine does not have the address. Set ${host} to one that it has, such as 127.0.0.1.`,
  ENOTFOUND: (_, host) => `the host name is not known. Set ${host} to an address of this machine, such as 127.0.0.1.`,
}
