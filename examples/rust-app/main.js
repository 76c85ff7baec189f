// `wasm-pack build --target web` writes what is imported here.
import start from './pkg/brooklet_rust_app.js'

await start()
