/** NetworkPolicies as a network that enforces them reads them (networking.k8s.io/v1), for pods of one namespace. */
import { type KubernetesObject, type Pod, selects } from './objects.ts'

interface Rule {
  readonly from?: readonly Peer[]
  readonly to?: readonly Peer[]
  readonly ports?: readonly { readonly port: number; readonly protocol?: string }[]
}

interface Peer {
  readonly podSelector?: Parameters<typeof selects>[0]
  readonly namespaceSelector?: unknown
  readonly ipBlock?: unknown
}

/** Whether a TCP connection from a pod (or from outside) to a pod's port (or outside) comes through. */
export function mayConnect(
  objects: readonly KubernetesObject[],
  from: Pod | 'outside',
  to: Pod | 'outside',
  port: number,
): boolean {
  const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy').map(({ spec }) => spec)
  const rulesFor = (end: Pod | 'outside', type: 'Ingress' | 'Egress'): Rule[] | undefined => {
    if (end === 'outside') return undefined
    const mine = policies.filter((spec) => selects(spec.podSelector, end.labels) && spec.policyTypes.includes(type))
    return mine.length === 0 ? undefined : mine.flatMap((spec) => spec[type.toLowerCase()] ?? [])
  }
  const passes = (rules: Rule[] | undefined, side: 'from' | 'to', other: Pod | 'outside') =>
    rules === undefined ||
    rules.some((rule) => {
      const ports = rule.ports?.filter(({ protocol }) => (protocol ?? 'TCP') === 'TCP')
      const peers = rule[side]
      return (!ports || ports.some((one) => one.port === port)) && (!peers || peers.some((peer) => isPeer(peer, other)))
    })
  return passes(rulesFor(from, 'Egress'), 'to', to) && passes(rulesFor(to, 'Ingress'), 'from', from)
}

/** Peers of other namespaces and address blocks are somebody else's pods: never one of ours, always `outside`. */
function isPeer(peer: Peer, other: Pod | 'outside'): boolean {
  const foreign = peer.namespaceSelector !== undefined || peer.ipBlock !== undefined
  if (other === 'outside') return foreign
  return !foreign && peer.podSelector !== undefined && selects(peer.podSelector, other.labels)
}
