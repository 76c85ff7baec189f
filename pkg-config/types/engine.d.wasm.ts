/** The engine: a compiled module where the bundler says so (workerd does), else its address. */
declare const engine: WebAssembly.Module
export default engine
