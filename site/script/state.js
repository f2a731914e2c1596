/**
 * What the page holds of a request, from reading the form until it is cleared. Nothing of it goes into
 * any storage. Each module that changes it says so by name: `state.asked = ...`.
 */
export const state = {
  typed: false, // whether anybody typed or ticked anything
  asked: null, // the request, once it is in order
  sealed: null, // {code, secrets, envelope}: sent again unchanged after a failure of the network
  unsure: null, // the same of what was sent before and may have arrived
  moving: null, // {code, secrets, shown} of the request that is being moved
}

/** Forgets every code: what is sent next is a new request. */
export function forgetCodes() {
  state.sealed = state.moving = state.unsure = null
}
