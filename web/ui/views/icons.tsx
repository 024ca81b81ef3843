/** Icons, drawn on a 24 × 24 grid with lines of one width. Decoration only: what they mean is said in words beside them. */

const paths = {
  home: 'M4 11 12 4l8 7M6 9.5V20h12V9.5M10 20v-6h4v6',
  orders: 'M6 8h12l1 12H5L6 8ZM9 10.5V7a3 3 0 0 1 6 0v3.5',
  account: 'M4 7.5A2.5 2.5 0 0 1 6.5 5H17v3M4 7.5V17a2 2 0 0 0 2 2h14V8H4.5M16 13.5h.01',
  letters: 'M3.5 6h17v12.5h-17zM4 6.5l8 6.5 8-6.5',
  system: 'M3 12h4l3-7 4 14 3-7h4',
  payments: 'M3 6h18v12.5H3zM3 10h18M7 15h4',
  browser: 'M3 5h18v14H3zM3 9h18M6 7h.01M8.5 7h.01',
  bell: 'M12 4a5.5 5.5 0 0 0-5.5 5.5c0 5-2 6.5-2 6.5h15s-2-1.5-2-6.5A5.5 5.5 0 0 0 12 4ZM10 19a2 2 0 0 0 4 0',
  user: 'M12 12.5a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.5 20c1-3.5 4-4.5 7.5-4.5s6.5 1 7.5 4.5',
  check: 'M5 12.5 10 17.5 19.5 7',
  cross: 'M6.5 6.5l11 11M17.5 6.5l-11 11',
  clock: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 7.5V12l3 2',
  alert: 'M12 4 2.5 20h19L12 4ZM12 10v4.5M12 17.3h.01',
  info: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 11v5.5M12 7.7h.01',
  live: 'M12 13a1 1 0 1 0 0-2 1 1 0 0 0 0 2ZM7.8 16.2a6 6 0 0 1 0-8.4M16.2 7.8a6 6 0 0 1 0 8.4M5 19a10 10 0 0 1 0-14M19 5a10 10 0 0 1 0 14',
  offline: 'M4 4l16 16M7 17.5a4 4 0 0 1-.5-8M10 6.3A5.5 5.5 0 0 1 17.3 11a3.5 3.5 0 0 1 2.4 5.5',
  refresh: 'M19.5 12a7.5 7.5 0 1 1-2.2-5.3L19.5 9M19.5 4.5V9H15',
  theme: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 3v18M12 8l5-3M12 13l8.5-4M12 18l8-4',
  globe: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM3.5 9.5h17M3.5 14.5h17M12 3c-5 6-5 12 0 18M12 3c5 6 5 12 0 18',
  down: 'M6.5 9.5 12 15l5.5-5.5',
  next: 'M9 6l6 6-6 6',
  back: 'M20 12H5M11 6l-6 6 6 6',
  plus: 'M12 5v14M5 12h14',
  minus: 'M5 12h14',
  docs: 'M12 6.5C10 5 7 4.5 3.5 5v13.5c3.5-.5 6.5 0 8.5 1.5 2-1.5 5-2 8.5-1.5V5C17 4.5 14 5 12 6.5ZM12 6.5V20',
  leave: 'M13 4H5v16h8M10 12h10.5M17 8l4 4-4 4',
  send: 'M4 12 20.5 4.5 15 20l-3.5-6.5L4 12ZM11.5 13.5l4-4',
} as const

export type IconName = keyof typeof paths

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.75"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d={paths[name]} />
    </svg>
  )
}

/** The mark of the shop: a way with two stations that makes a tick. */
export function Mark({ size = 32 }: { size?: number }) {
  return (
    <svg class="mark" width={size} height={size} viewBox="0 0 64 64" aria-hidden="true">
      <rect width="64" height="64" rx="15" fill="#1c1f26" />
      <g fill="none" stroke="#f6b73c" stroke-linecap="round" stroke-linejoin="round">
        <path d="M15 32 27 44 49 20" stroke-width="6" />
        <g fill="#1c1f26" stroke-width="4">
          <circle cx="15" cy="32" r="5" />
          <circle cx="49" cy="20" r="5" />
        </g>
      </g>
    </svg>
  )
}
