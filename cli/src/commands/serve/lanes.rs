//! The threads of the connections. A connection stays on the thread that it was given to. A runtime that shares tasks
//! among threads wakes another thread every few requests and moves tasks between threads. That costs more than an
//! answer does.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::{unusable, work};
use crate::exit::Failure;

/// The most threads. More of them would wait for processors, or for the store.
const MOST: usize = 4;

/// The threads: one for each processor, up to `MOST`.
pub struct Lanes {
    lanes: Vec<Lane>,
    next: AtomicUsize,
}

struct Lane {
    runtime: Handle,
    /// The thread ends when this is dropped.
    _open: oneshot::Sender<()>,
}

impl Lanes {
    pub fn open() -> Result<Lanes, Failure> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let lanes = (0..processors.min(MOST)).map(|_| Lane::open());
        Ok(Lanes {
            lanes: lanes.collect::<Result<_, _>>()?,
            next: AtomicUsize::new(0),
        })
    }

    /// The thread for the next connection.
    pub fn next(&self) -> &Handle {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        &self.lanes[turn % self.lanes.len()].runtime
    }
}

impl Lane {
    fn open() -> Result<Lane, Failure> {
        let failed = |e| unusable("start the server's threads", &e);
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(work::THREADS)
            .enable_io()
            .enable_time()
            .build()
            .map_err(failed)?;
        let (open, ended) = oneshot::channel::<()>();
        let handle = runtime.handle().clone();
        std::thread::Builder::new()
            .name("connections".into())
            .spawn(move || {
                let _ = runtime.block_on(ended).is_ok();
                runtime.shutdown_background();
            })
            .map_err(failed)?;
        Ok(Lane {
            runtime: handle,
            _open: open,
        })
    }
}
