// What handles have in common: an engine, which nobody sees.
//
// *Why not a property.* A program that prints a stream, or a logger that writes a message as JSON, would print the
// memory of the whole instance.

import type { Engine } from './engine.js'

/** A handle on something in a database. */
export class Handle {
  #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  get engine_(): Engine {
    return this.#engine
  }
}
