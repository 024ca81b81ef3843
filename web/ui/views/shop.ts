/** How views get at the model. */
import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { Shop } from '../model/shop.ts'

export const ShopContext = createContext<Shop | undefined>(undefined)

export function useShop(): Shop {
  const shop = useContext(ShopContext)
  if (!shop) throw new Error('a view was rendered outside of ShopContext')
  return shop
}

/** The translation into the language of the moment; the view is rendered again when that changes. */
export function useText() {
  return useShop().settings.t.value
}
