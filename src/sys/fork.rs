//! The fork gate: one mutex that a fork waits for, so that no child is born while a thread is inside SQLite.
//!
//! What must survive a fork lives in a [`ForkGuarded`] and is touched with the [`ForkLock`] held. Everything else belongs to one
//! [`generation`]: a child counts one up, leaves what it inherited where it lies, and starts afresh. The gate is held
//! for microseconds (an SQLite call), never across HTTP or a sleep.
//!
//! # What a fork leaves
//!
//! `sys/fork.rs` holds one mutex, the **gate**. A `pthread_atfork` handler takes it before a fork, so no child is born
//! while a thread is inside SQLite. What must survive a fork lives in a `ForkGuarded` and is touched with the gate
//! held: for the time of one SQLite call, never across HTTP or a sleep. Forks that wait are let through first, since a
//! mutex is not fair.
//!
//! A child counts the **generation** up. It closes the inherited lock descriptors at once, because a lock lives as
//! long as any copy of its descriptor. It never closes an inherited SQLite connection, which would drop the parent's
//! locks; it leaves it where it lies, with all that belongs to the old generation (`process`), and opens its own.
//! Handles keep working: options and registered accounts lie behind the gate, and the process's state is looked up by
//! generation.
//!
//! The library is linked with `-z nodelete`: the handlers stay loaded, and PHP's FFI, which unloads at the end of each
//! request, finds the state as it left it.

use std::cell::{RefCell, RefMut, UnsafeCell};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

struct Mutex(UnsafeCell<libc::pthread_mutex_t>);

struct OnceFlag(UnsafeCell<libc::pthread_once_t>);

// SAFETY: both are made to be shared between threads, and are only handed to the pthread functions.
unsafe impl Sync for Mutex {}
// SAFETY: as above.
unsafe impl Sync for OnceFlag {}

static GATE: Mutex = Mutex(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));
/// glibc's pthread_once starts over in a child that was forked in its middle; std's Once would wait for ever.
static REGISTERED: OnceFlag = OnceFlag(UnsafeCell::new(libc::PTHREAD_ONCE_INIT));
static GENERATION: AtomicU64 = AtomicU64::new(0);
/// Forks that wait for the gate. A pthread mutex is not fair: threads that come back at once would keep it from them.
static FORKS_WAITING: AtomicU64 = AtomicU64::new(0);
/// Descriptors that a forked child must not keep: an OFD lock lives as long as any copy of its descriptor.
static CLOSE_IN_CHILD: ForkGuarded<Vec<RawFd>> = ForkGuarded::new(Vec::new());

unsafe extern "C" {
    fn pthread_once(once: *mut libc::pthread_once_t, init: extern "C" fn()) -> libc::c_int;
}

/// How many forks lie between the first process and this one.
#[inline(always)]
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// The gate, held by this thread until dropped. Not reentrant.
pub struct ForkLock(PhantomData<*const ()>);

impl ForkLock {
    pub fn enter() -> ForkLock {
        // SAFETY: the flag is a valid pthread_once_t for the life of the process, and `register` may run on any thread.
        unsafe { pthread_once(REGISTERED.0.get(), register) };
        let mut steps_aside = 20;
        while FORKS_WAITING.load(Ordering::Relaxed) > 0 && steps_aside > 0 {
            std::thread::sleep(std::time::Duration::from_micros(50));
            steps_aside -= 1;
        }
        lock();
        ForkLock(PhantomData)
    }

    /// A child forked from here on closes `fd` before it does anything else.
    pub fn close_in_child(&self, fd: RawFd) {
        CLOSE_IN_CHILD.borrow(self).push(fd);
    }

    /// `fd` is about to be closed here: its number may soon mean another file.
    pub fn keep_in_child(&self, fd: RawFd) {
        CLOSE_IN_CHILD.borrow(self).retain(|other| *other != fd);
    }
}

impl Drop for ForkLock {
    fn drop(&mut self) {
        unlock();
    }
}

/// A value that is only touched with the gate held, and so is whole in a forked child.
pub struct ForkGuarded<T>(RefCell<T>);

// SAFETY: `borrow` needs a `ForkLock`, and only one thread at a time has one.
unsafe impl<T: Send> Sync for ForkGuarded<T> {}

impl<T> ForkGuarded<T> {
    pub const fn new(value: T) -> ForkGuarded<T> {
        ForkGuarded(RefCell::new(value))
    }

    pub fn borrow<'g>(&'g self, _gate: &'g ForkLock) -> RefMut<'g, T> {
        self.0.borrow_mut()
    }
}

/// A reference to something that is never freed, swapped without a lock.
pub struct AtomicRef<T: 'static>(AtomicPtr<T>);

impl<T: Sync> AtomicRef<T> {
    pub const fn none() -> AtomicRef<T> {
        AtomicRef(AtomicPtr::new(std::ptr::null_mut()))
    }

    #[inline(always)]
    pub fn get(&self) -> Option<&'static T> {
        // SAFETY: the pointer is null or came from a `&'static T` in `set`.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    pub fn set(&self, value: Option<&'static T>) {
        let pointer = value.map_or(std::ptr::null_mut(), |v| std::ptr::from_ref(v).cast_mut());
        self.0.store(pointer, Ordering::Release);
    }
}

fn lock() {
    // SAFETY: the mutex is valid and initialised for the life of the process.
    unsafe { libc::pthread_mutex_lock(GATE.0.get()) };
}

fn unlock() {
    // SAFETY: as above; the calling thread (or, in a child, the only one) holds it.
    unsafe { libc::pthread_mutex_unlock(GATE.0.get()) };
}

extern "C" fn register() {
    // SAFETY: the handlers are plain functions that stay loaded (`-z nodelete`).
    unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork), Some(in_child)) };
}

extern "C" fn before_fork() {
    FORKS_WAITING.fetch_add(1, Ordering::Relaxed);
    lock();
    FORKS_WAITING.fetch_sub(1, Ordering::Relaxed);
}

extern "C" fn after_fork() {
    unlock();
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    FORKS_WAITING.store(0, Ordering::Relaxed);
    // A fresh mutex rather than an unlock: the owner recorded in the old one is a thread of the parent.
    // SAFETY: the child has this one thread, so nobody else uses the mutex; a byte copy of a static initialiser is
    // how POSIX defines initialisation.
    unsafe {
        let fresh: MaybeUninit<libc::pthread_mutex_t> =
            MaybeUninit::new(libc::PTHREAD_MUTEX_INITIALIZER);
        std::ptr::copy_nonoverlapping(fresh.as_ptr(), GATE.0.get(), 1);
    }
    lock();
    let gate = ForkLock(PhantomData);
    for fd in CLOSE_IN_CHILD.borrow(&gate).drain(..) {
        // SAFETY: the descriptor was registered by its owner, whose copy in this child is never used or dropped.
        unsafe { libc::close(fd) };
    }
}
