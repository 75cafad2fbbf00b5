//! The fork lock: one mutex that a fork waits for, so that no child is born while a thread is inside SQLite.
//!
//! State that must survive a fork is kept in a [`ForkGuarded`], and is used with the [`ForkLock`] held. All other state
//! belongs to one [`generation`]. A child increments the generation, leaves inherited state where it is, and makes its
//! own.
//!
//! # How long a fork waits
//!
//! The lock is held while SQLite computes, and never during HTTP, a sleep or a system call on a store: each of those
//! runs [`outside`] it. So a disk that stalls does not delay a fork. A child may be born during such a system call of
//! SQLite. SQLite then holds only the mutex of that connection, which the child never uses. Waiting forks go first,
//! since a mutex is not fair.
//!
//! # What a child does
//!
//! A child increments the **generation**. It closes at once the inherited files next to the store ([`OwnFile`]): a lock
//! lives as long as any copy of its descriptor, and a child that drops its privileges must not keep a way to write. An
//! inherited SQLite connection stays where it is, with everything else of the old generation (`process`), and the child
//! opens its own. Handles keep working: their options and registered accounts are behind the lock, and the state of the
//! process is looked up by generation.
//!
//! # A host's own handlers
//!
//! A handler that the host program gave to `pthread_atfork` may call the library. If it was registered before the
//! library's handlers, it runs while the forking thread holds the lock. Such a call releases the lock for its duration
//! ([`away_from_fork`]), because it may wait for another thread, which may wait for the lock. In a child, such a call
//! may come before the library's own handler. It then does that handler's work first.
//!
//! The library is linked with `-z nodelete`, so the handlers stay loaded. PHP's FFI, which unloads the library at the
//! end of each request, finds the state unchanged.
//!
//! [`OwnFile`]: super::OwnFile

use std::cell::{Cell, RefCell, RefMut, UnsafeCell};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering};

use super::own_file;

struct Mutex(UnsafeCell<libc::pthread_mutex_t>);

struct OnceFlag(UnsafeCell<libc::pthread_once_t>);

// SAFETY: pthread mutexes are made to be shared between threads, and this one is only passed to the pthread functions.
unsafe impl Sync for Mutex {}
// SAFETY: a pthread_once_t is made to be shared between threads, and this one is only passed to pthread_once.
unsafe impl Sync for OnceFlag {}

static MUTEX: Mutex = Mutex(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));
/// The flag of `register`. glibc's pthread_once starts over in a child that was forked in its middle. std's Once would
/// wait for ever.
static REGISTERED: OnceFlag = OnceFlag(UnsafeCell::new(libc::PTHREAD_ONCE_INIT));
static GENERATION: AtomicU64 = AtomicU64::new(0);
/// The number of forks that wait for the lock. A pthread mutex is not fair, and busy threads would keep it from them.
static FORKS_WAITING: AtomicU64 = AtomicU64::new(0);
/// The number of forks that have begun.
static FORKS: AtomicU64 = AtomicU64::new(0);
/// The process in which a fork is under way, from the handler before it to the handler after it. Otherwise 0.
static FORKING: AtomicI32 = AtomicI32::new(0);

thread_local! {
    /// The number of times that this thread has entered the lock.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

unsafe extern "C" {
    fn pthread_once(once: *mut libc::pthread_once_t, init: extern "C" fn()) -> libc::c_int;
}

/// Returns the generation: the number of forks between the first process and this one.
#[inline(always)]
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Returns the number of forks that have begun in this process and its ancestors.
pub(super) fn forks() -> u64 {
    FORKS.load(Ordering::SeqCst)
}

/// The fork lock, held by this thread until dropped. It is reentrant.
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

/// Runs a system call that may stall, and releases the lock meanwhile if this thread holds it. No [`ForkGuarded`] may
/// be borrowed meanwhile.
pub fn outside<T>(call: impl FnOnce() -> T) -> T {
    /// A guard that takes the lock again, even after a panic.
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

/// Runs a call of the host program. In a fork handler of the host program, it lets other threads go on meanwhile.
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

/// A value that is used only with the fork lock held, and so is consistent in a forked child.
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

/// A reference to a value that is never freed. It is swapped without a lock.
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
    // SAFETY: the mutex is valid for the life of the process. The calling thread (or, in a child, the only one) holds
    // it.
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
    // The process id is not compared: two processes may have the same one, each in its own namespace.
    set_child_up();
    drop(ForkLock(PhantomData));
}

/// Sets a child up if a handler of the host program comes before the library's own.
fn become_child() {
    if FORKING.load(Ordering::Relaxed) != this_process() {
        set_child_up();
    }
}

/// Sets a child up, with the lock held, if that has not been done yet.
fn set_child_up() {
    if FORKING.swap(0, Ordering::Relaxed) == 0 {
        return;
    }
    GENERATION.fetch_add(1, Ordering::Relaxed);
    FORKS_WAITING.store(0, Ordering::Relaxed);
    // The mutex is initialised again instead of unlocked, because the owner recorded in it is a thread of the parent.
    // SAFETY: the child has only this thread, so nothing else uses the mutex. POSIX defines initialisation as a byte
    // copy of a static initialiser.
    unsafe {
        let fresh: MaybeUninit<libc::pthread_mutex_t> =
            MaybeUninit::new(libc::PTHREAD_MUTEX_INITIALIZER);
        std::ptr::copy_nonoverlapping(fresh.as_ptr(), MUTEX.0.get(), 1);
    }
    lock();
    own_file::close_inherited();
}

/// Returns the process id by the system call. A C library may cache the number, and be wrong in a handler.
fn this_process() -> i32 {
    // SAFETY: getpid has no arguments, and a process id fits into 32 bits.
    unsafe { libc::syscall(libc::SYS_getpid) as i32 }
}
