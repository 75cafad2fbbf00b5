'use strict';

// The C library: where it is found, its structs and functions, and how a call and a string cross.
//
// Every call that may wait runs on a thread of libuv's pool. Each has memory of its own, and holds no state here.

const { isMainThread } = require('node:worker_threads');
const { WxTokenError } = require('./error');
const { ERROR, failureIn } = require('./memory');

const koffi = requireKoffi();

const SONAME = 'libwxtoken.so.0';

const wxtoken = koffi.opaque();
const handle = koffi.pointer(wxtoken);
// A wxtoken_error or wxtoken_token, whose bytes are read in memory.js: Koffi would decode all of it at each call.
const bytes = 'void *';
// A pointer as addressOf() gives it, which Koffi need not look at.
const address = 'uint64_t';

// Name: what it returns, what it takes. tests/header.test.js compares them with wxtoken.h.
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

// Its native part is of one system and one processor: node_modules of another, or a bundle without it, lack it.
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

/** The library in the package of this platform, such as @libwxtoken/linux-x64-musl, where npm has installed that. */
function bundled(arch = process.arch, isMusl = runsOnMusl) {
  const installed = ['gnu', 'musl'].flatMap((libc) => {
    try {
      return [[libc, require.resolve(`@libwxtoken/linux-${arch}-${libc}/${SONAME}`)]];
    } catch {
      return [];
    }
  });
  // An older npm installs both. To learn which C library this is takes a millisecond, or more.
  const fitting = installed.length > 1 ? installed.filter(([libc]) => (libc === 'musl') === isMusl()) : installed;
  return fitting[0]?.[1];
}

function runsOnMusl() {
  process.report.excludeNetwork = true;
  return process.report.getReport().header.glibcVersionRuntime === undefined;
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

// Koffi calls on stacks of its own. A fetch by TLS takes 72 KiB of them, and Koffi gives 128; it takes no orders once
// the program has loaded something else with it.
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

// The pool is the whole process's: its files and host names need a thread too while all of ours wait for WeChat. Each
// worker thread loads this file anew and knows of no other, so it takes one, from the quarter that the main thread leaves.
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

/** Calls one of the functions that take a wxtoken_error * last; throws what it says. */
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

/** The address of a handle, or of a Buffer that stays; a number where that is exact, for Koffi takes it faster. */
function addressOf(value) {
  const address = koffi.address(value);
  return address <= Number.MAX_SAFE_INTEGER ? Number(address) : address;
}

/** Whether a string crosses as it is. */
function crosses(value) {
  return !value.includes('\0') && Buffer.from(value).toString() === value;
}

/** A string as it crosses. C would take what stands before a NUL for the whole, and UTF-8 has no lone surrogates. */
function text(parameter, value) {
  if (typeof value !== 'string') throw new TypeError(`${parameter} must be a string, not ${typeof value}`);
  if (value.includes('\0')) throw badArgument(`${parameter} has a NUL character in it`);
  if (Buffer.from(value).toString() !== value)
    throw badArgument(`${parameter} has a lone surrogate in it, for which there is no UTF-8`);
  return value;
}

/** The same, or NULL. */
function optionalText(parameter, value) {
  return value == null ? null : text(parameter, value);
}

function badArgument(message) {
  return new WxTokenError(message, 'WXTOKEN_E_ARGUMENT');
}

/** The version of the C library at run time. */
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
