'use strict';

// The C library: loading it, its structs and functions, and converting calls and strings.
//
// Every call that may wait runs on a thread of libuv's pool. Each has its own memory, and keeps no state here.

const { isMainThread } = require('node:worker_threads');
const { WxTokenError } = require('./error');
const { ERROR, failureIn } = require('./memory');

const koffi = requireKoffi();

const SONAME = 'libwxtoken.so.0';

const wxtoken = koffi.opaque();
const handle = koffi.pointer(wxtoken);
// A wxtoken_error or wxtoken_token. memory.js reads its bytes, because Koffi would decode all of it at each call.
const bytes = 'void *';
// A pointer as addressOf() returns it, which Koffi passes on unchecked.
const address = 'uint64_t';

// Each function's result and parameters, by name. tests/header.test.js compares them with wxtoken.h.
const SIGNATURES = {
  wxtoken_init: ['int', ['str', koffi.out(koffi.pointer(handle)), bytes]],
  wxtoken_set: ['int', [handle, 'str', 'str', bytes]],
  wxtoken_register: ['int', [handle, 'str', 'str', 'str', 'str', bytes]],
  wxtoken_put: ['int', [handle, 'str', 'str', 'str', bytes]],
  wxtoken_get: ['int', [handle, 'str', bytes, bytes]],
  wxtoken_known: ['int', [address, address, address, address]],
  wxtoken_reject: ['int', [handle, 'str', 'str', bytes]],
  wxtoken_report: ['int', [handle, koffi.pointer('char'), 'size_t', koffi.out(koffi.pointer('size_t')), bytes]],
  wxtoken_free: ['void', [handle]],
  wxtoken_version: ['str', []],
  wxtoken_status_name: ['str', ['int32_t']],
};

// Koffi's native part is for one system and one processor. The node_modules of another system lack it, and so does a
// bundle without it.
function requireKoffi() {
  try {
    return require('koffi');
  } catch (e) {
    const [why] = String(e.message).split('\n');
    throw new Error(
      `wxtoken cannot use koffi, which calls the C library: ${why}: run npm install on this system, and leave koffi out of a bundle`,
    );
  }
}

/** Returns the library in this platform's package, such as @libwxtoken/linux-x64-musl, if npm has installed that. */
function bundled(arch = process.arch, isMusl = runsOnMusl) {
  const installed = ['gnu', 'musl'].flatMap((libc) => {
    try {
      return [[libc, require.resolve(`@libwxtoken/linux-${arch}-${libc}/${SONAME}`)]];
    } catch {
      return [];
    }
  });
  // An older npm installs both. Finding out which C library this is takes a millisecond or more.
  const fitting = installed.length > 1 ? installed.filter(([libc]) => (libc === 'musl') === isMusl()) : installed;
  return fitting[0]?.[1];
}

function runsOnMusl() {
  const { report } = process;
  const before = report.excludeNetwork;
  report.excludeNetwork = true;
  try {
    return report.getReport().header.glibcVersionRuntime === undefined;
  } finally {
    report.excludeNetwork = before;
  }
}

function load() {
  const named = process.env.WXTOKEN_LIBRARY;
  const carried = named ? undefined : bundled();
  const file = named || carried || SONAME;
  makeRoomOnTheStack();
  try {
    const library = koffi.load(file);
    const functions = Object.entries(SIGNATURES).map(([name, [result, parameters]]) => [
      name,
      library.func(name, result, parameters),
    ]);
    return Object.fromEntries(functions);
  } catch (e) {
    const remedy = named
      ? 'WXTOKEN_LIBRARY names it: correct or unset that'
      : carried
        ? 'it came with node_modules: run npm install on this system, or set WXTOKEN_LIBRARY to the path of an installed one'
        : 'install the package of this platform (npm leaves it out with --omit=optional), or libwxtoken, and run ldconfig';
    throw new Error(`wxtoken cannot use the C library ${file}: ${e.message}: ${remedy}`);
  }
}

// Koffi makes calls on its own stacks. A fetch by TLS needs 72 KiB of stack, and Koffi's default is 128 KiB. The size
// cannot be changed after the program has loaded something else with Koffi.
function makeRoomOnTheStack() {
  try {
    koffi.config({ async_stack_size: 1 << 20 });
  } catch {
    const { async_stack_size } = koffi.config();
    if (async_stack_size < 128 << 10) {
      throw new Error(`wxtoken needs an async_stack_size of 128 KiB: Koffi was set to ${async_stack_size} bytes`);
    }
  }
}

const functions = load();

// The whole process shares the pool. Files and host names need a thread too, even while all of these calls wait for
// WeChat. Each worker thread loads this file again and knows of no other, so it takes one thread of the quarter that
// the main thread leaves.
const pool = Number(process.env.UV_THREADPOOL_SIZE) || 4;
let room = isMainThread ? Math.min(Math.max(Math.floor((pool * 3) / 4), 1), 64) : 1;
const queue = [];

async function onThePool(name, args) {
  if (room > 0) room--;
  else await new Promise((turn) => queue.push(turn));
  try {
    return await new Promise((resolve, reject) =>
      functions[name].async(...args, (failure, result) => (failure ? reject(failure) : resolve(result))),
    );
  } finally {
    const next = queue.shift();
    if (next) next();
    else room++;
  }
}

/** Calls a function whose last parameter is a wxtoken_error *, and throws its error. */
async function call(name, ...args) {
  const error = Buffer.alloc(ERROR.size);
  const status = await onThePool(name, [...args, error]);
  if (status !== 0) throw failed(status, error);
}

function failed(status, error) {
  const { message, errcode, retryAfterMs } = failureIn(error);
  return new WxTokenError(message, functions.wxtoken_status_name(status), errcode, retryAfterMs);
}

/** Frees a handle, which may wait for a background refresh. */
async function free(handle) {
  await onThePool('wxtoken_free', [handle]);
}

/**
 * Returns the address of a handle or of a lasting Buffer. It is a number if that is exact, which Koffi takes faster.
 */
function addressOf(value) {
  const address = koffi.address(value);
  return address <= Number.MAX_SAFE_INTEGER ? Number(address) : address;
}

/** Returns whether C gets a string unchanged. */
function crosses(value) {
  return !value.includes('\0') && Buffer.from(value).toString() === value;
}

/** Returns a string for C. C would read it only up to its first NUL, and UTF-8 has no lone surrogates. */
function text(parameter, value) {
  if (typeof value !== 'string') throw new TypeError(`${parameter} must be a string, not ${typeof value}`);
  if (value.includes('\0')) throw badArgument(`${parameter} has a NUL character in it`);
  if (Buffer.from(value).toString() !== value)
    throw badArgument(`${parameter} has a lone surrogate in it, which has no UTF-8 form`);
  return value;
}

/** Returns a string for C, or null for NULL. */
function optionalText(parameter, value) {
  return value == null ? null : text(parameter, value);
}

function badArgument(message) {
  return new WxTokenError(message, 'WXTOKEN_E_ARGUMENT');
}

/** Returns the version of the C library at run time. */
function version() {
  return functions.wxtoken_version();
}

module.exports = {
  SIGNATURES,
  addressOf,
  crosses,
  functions,
  bundled,
  call,
  free,
  text,
  optionalText,
  badArgument,
  version,
};
