//! The fork lock: one mutex that a fork waits for, so that no child is born while a thread is inside SQLite.
//!
//! What must survive a fork lives in a [`ForkGuarded`] and is touched with the [`ForkLock`] held. Everything else belongs to
//! one [`generation`]: a child counts one up, leaves what it inherited where it lies, and starts afresh.
//!
//! # How long a fork waits
//!
//! The lock is held while SQLite computes, and never across HTTP, a sleep or a system call on a store: each of those runs
//! [`outside`] it. So a disk that stalls keeps no fork. A child that is born meanwhile finds SQLite at such a call, where
//! SQLite holds no mutex but that of the connection, which the child never uses. Forks that wait are let through first,
//! since a mutex is not fair.
//!
//! # What a child does
//!
//! A child counts the **generation** up. It closes at once what it inherited of the files beside the store ([`OwnFile`]):
//! a lock lives as long as any copy of its descriptor, and a child that gives up its rights must not keep a way to write.
//! An inherited SQLite connection stays where it lies, with all that belongs to the old generation (`process`), and the
//! child opens its own. Handles keep working: options and registered accounts lie behind the lock, and the process's state
//! is looked up by generation.
//!
//! # A host's own handlers
//!
//! A handler that the host gave to `pthread_atfork` may call the library. One that was registered before the library's runs
//! while the forking thread holds the lock. Such a call gives the lock back for its time ([`away_from_fork`]): it may wait
//! for another thread, and that one for the lock. In a child it may come before the library's own handler, and then does
//! first what is to be done in a child.
//!
//! The library is linked with `-z nodelete`: the handlers stay loaded, and PHP's FFI, which unloads at the end of each
//! request, finds the state as it left it.
//!
//! [`OwnFile`]: super::OwnFile

use std::cell::{Cell, RefCell, RefMut, UnsafeCell};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering};

use super::own_file;

struct Mutex(UnsafeCell<libc::pthread_mutex_t>);

struct OnceFlag(UnsafeCell<libc::pthread_once_t>);

// SAFETY: both are made to be shared between threads, and are only handed to the pthread functions.
unsafe impl Sync for Mutex {}
// SAFETY: as above.
unsafe impl Sync for OnceFlag {}

static MUTEX: Mutex = Mutex(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));
/// glibc's pthread_once starts over in a child that was forked in its middle; std's Once would wait for ever.
static REGISTERED: OnceFlag = OnceFlag(UnsafeCell::new(libc::PTHREAD_ONCE_INIT));
static GENERATION: AtomicU64 = AtomicU64::new(0);
/// Forks that wait for the lock. A pthread mutex is not fair: threads that come back at once would keep it from them.
static FORKS_WAITING: AtomicU64 = AtomicU64::new(0);
/// Forks that have begun.
static FORKS: AtomicU64 = AtomicU64::new(0);
/// The process that a fork is under way in, from before it to the handler after it; else 0.
static FORKING: AtomicI32 = AtomicI32::new(0);

thread_local! {
    /// How often this thread has entered.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

unsafe extern "C" {
    fn pthread_once(once: *mut libc::pthread_once_t, init: extern "C" fn()) -> libc::c_int;
}

/// How many forks lie between the first process and this one.
#[inline(always)]
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// How many forks have begun in this process and those before it.
pub(super) fn forks() -> u64 {
    FORKS.load(Ordering::SeqCst)
}

/// The fork lock, held by this thread until dropped. Reentrant.
pub struct ForkLock(PhantomData<*const ()>);

impl ForkLock {
    pub fn enter() -> ForkLock {
        if DEPTH.get() == 0 {
            // SAFETY: the flag is a valid pthread_once_t for the life of the process, and `register` may run on any thread.
            unsafe { pthread_once(REGISTERED.0.get(), register) };
            let mut steps_aside = 20;
            while FORKS_WAITING.load(Ordering::Relaxed) > 0 && steps_aside > 0 {
                std::thread::sleep(std::time::Duration::from_micros(50));
                steps_aside -= 1;
            }
            lock();
        }
        DEPTH.set(DEPTH.get() + 1);
        ForkLock(PhantomData)
    }
}

impl Drop for ForkLock {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        if DEPTH.get() == 0 {
            unlock();
        }
    }
}

/// Runs a system call that may stall, without the lock if this thread holds it. Nothing that is [`ForkGuarded`] may be
/// borrowed meanwhile.
pub fn outside<T>(call: impl FnOnce() -> T) -> T {
    /// Takes the lock again, after a panic too.
    struct Back(u32);
    impl Drop for Back {
        fn drop(&mut self) {
            lock();
            DEPTH.set(self.0);
        }
    }
    let depth = DEPTH.replace(0);
    if depth == 0 {
        return call();
    }
    unlock();
    let _back = Back(depth);
    call()
}

/// Runs a call of the host's. In a fork handler of the host's, other threads go on meanwhile.
#[inline(always)]
pub fn away_from_fork<T>(call: impl FnOnce() -> T) -> T {
    if DEPTH.get() == 0 {
        return call();
    }
    become_child();
    let forking = FORKING.load(Ordering::Relaxed);
    let done = outside(call);
    // Another thread may have forked meanwhile.
    FORKING.store(forking, Ordering::Relaxed);
    done
}

/// A value that is only touched with the fork lock held, and so is whole in a forked child.
pub struct ForkGuarded<T>(RefCell<T>);

// SAFETY: `borrow` needs a `ForkLock`, and only one thread at a time has one.
unsafe impl<T: Send> Sync for ForkGuarded<T> {}

impl<T> ForkGuarded<T> {
    pub const fn new(value: T) -> ForkGuarded<T> {
        ForkGuarded(RefCell::new(value))
    }

    pub fn borrow<'g>(&'g self, _held: &'g ForkLock) -> RefMut<'g, T> {
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
    unsafe { libc::pthread_mutex_lock(MUTEX.0.get()) };
}

fn unlock() {
    // SAFETY: as above; the calling thread (or, in a child, the only one) holds it.
    unsafe { libc::pthread_mutex_unlock(MUTEX.0.get()) };
}

extern "C" fn register() {
    // SAFETY: the handlers are plain functions that stay loaded (`-z nodelete`).
    unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork), Some(in_child)) };
}

extern "C" fn before_fork() {
    if DEPTH.get() == 0 {
        FORKS_WAITING.fetch_add(1, Ordering::Relaxed);
        lock();
        FORKS_WAITING.fetch_sub(1, Ordering::Relaxed);
    }
    DEPTH.set(DEPTH.get() + 1);
    FORKS.fetch_add(1, Ordering::SeqCst);
    FORKING.store(this_process(), Ordering::Relaxed);
}

extern "C" fn after_fork() {
    FORKING.store(0, Ordering::Relaxed);
    drop(ForkLock(PhantomData));
}

extern "C" fn in_child() {
    become_child();
    drop(ForkLock(PhantomData));
}

/// In a child that is not set up yet, does so; with the lock held.
fn become_child() {
    let forking = FORKING.load(Ordering::Relaxed);
    if forking == 0 || forking == this_process() {
        return;
    }
    FORKING.store(0, Ordering::Relaxed);
    GENERATION.fetch_add(1, Ordering::Relaxed);
    FORKS_WAITING.store(0, Ordering::Relaxed);
    // A fresh mutex rather than an unlock: the owner recorded in the old one is a thread of the parent.
    // SAFETY: the child has this one thread, so nobody else uses the mutex; a byte copy of a static initialiser is
    // how POSIX defines initialisation.
    unsafe {
        let fresh: MaybeUninit<libc::pthread_mutex_t> =
            MaybeUninit::new(libc::PTHREAD_MUTEX_INITIALIZER);
        std::ptr::copy_nonoverlapping(fresh.as_ptr(), MUTEX.0.get(), 1);
    }
    lock();
    own_file::close_inherited();
}

/// By the system call: a C library may keep the number in memory, and be wrong in a handler.
fn this_process() -> i32 {
    // SAFETY: getpid has no arguments, and a process id fits into 32 bits.
    unsafe { libc::syscall(libc::SYS_getpid) as i32 }
}
