import type { Maybe, Optional } from './operations.js'

export function isPromise<T>(value: Maybe<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<T>).then === 'function'
}

/** Goes on at once with a value, later with a promise: what need not wait is answered in the turn it was asked. */
export function then<T, R>(value: Maybe<T>, next: (value: T) => Maybe<R>): Maybe<R> {
  return isPromise(value) ? value.then(next) : next(value)
}

/** As `then` for what may be nothing. */
export function thenOptional<T, R>(value: Optional<T>, next: (value: T | undefined) => Maybe<R>): Maybe<R> {
  return then(value as Maybe<T | undefined>, next)
}
